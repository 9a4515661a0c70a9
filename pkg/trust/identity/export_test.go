package identity

// LookAlways makes every handshake look at the files, for tests that replace
// them and will not wait a second. Call it before the source is used.
func (s *Source) LookAlways() { s.every = 0 }

// SaveSteps is the number of moments after which SaveCutOff may cut off.
func SaveSteps() int { return len(Credential{}.steps(Files{})) }

// SaveCutOff is Save, cut off by a crash after so many of its steps.
func (c Credential) SaveCutOff(f Files, steps int) error {
	for _, step := range c.steps(f)[:steps] {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}
