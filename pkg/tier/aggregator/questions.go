package aggregator

// Bounds of the questions that came too early. Above them a question is dropped:
// its scheduler asks again.
const (
	mostQuestions    = 1_024  // that wait for one host
	mostAllQuestions = 65_536 // that wait at all: some 5 MB
)

// keep notes a question until its host has said everything. Who asks the same
// again, as every pull does, is noted once.
func (se *session) keep(q question) {
	if _, known := se.questions[q]; known || len(se.questions) >= mostQuestions || se.hub.questions >= mostAllQuestions {
		return
	}
	if se.questions == nil {
		se.questions = map[question]struct{}{}
	}
	se.questions[q] = struct{}{}
	se.hub.questions++
}

// takeQuestions takes all that was noted.
func (se *session) takeQuestions() map[question]struct{} {
	taken := se.questions
	se.hub.questions -= len(taken)
	se.questions = nil
	return taken
}

// dropQuestions drops those of a stream that is gone.
func (h *hub) dropQuestions(st *stream) {
	if h.questions == 0 {
		return
	}
	for _, ho := range h.hosts {
		if ho.session == nil {
			continue
		}
		for q := range ho.session.questions {
			if q.st == st {
				delete(ho.session.questions, q)
				h.questions--
			}
		}
	}
}
