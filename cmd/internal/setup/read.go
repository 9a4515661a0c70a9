package setup

// Read is the configuration that a program has, for another one of the same host
// that looks at it: defaults, then the file, then the environment. What it
// returns with an error is as much as could be read. Without given the file need
// not exist. The program's own check of the values is not made.
func Read[C any](prog Program[C], file string, given bool, environ []string) (C, error) {
	prog.Validate = func(C) error { return nil }
	cfg, _, err := load(prog, options{file: file, given: given}, surroundings{environ: environ})
	return cfg.App, err
}
