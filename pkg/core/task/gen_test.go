package task

import "pgregory.net/rapid"

// reasonsOf lists the reasons that explain a state; NoReason where the state
// may say it all.
func reasonsOf(s State) []Reason {
	var of []Reason
	for _, r := range Reasons() {
		if r.Of() == s {
			of = append(of, r)
		}
	}
	if len(of) == 0 || s == Failed {
		of = append(of, NoReason)
	}
	return of
}

// genReport draws a report that can be said, from few enough values that two of
// them are often of one attempt.
func genReport(t *rapid.T, label string) Report {
	r := Report{
		Attempt: rapid.Uint32Range(1, 3).Draw(t, label+" attempt"),
		State:   rapid.SampledFrom(States()).Draw(t, label+" state"),
	}
	if !r.State.Settled() {
		return r
	}
	r.Exit.Reason = rapid.SampledFrom(reasonsOf(r.State)).Draw(t, label+" reason")
	if r.State == Failed {
		r.Exit.Code = rapid.Int32Range(0, 2).Draw(t, label+" code")
		r.Exit.Signal = rapid.SampledFrom([]int32{0, 9, 15}).Draw(t, label+" signal")
	}
	return r
}
