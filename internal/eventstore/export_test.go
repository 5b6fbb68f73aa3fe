package eventstore

// Verdict is what the answer to a publish says about the events.
type Verdict = verdict

// The verdicts.
const (
	Refused   = refused
	Full      = full
	Conflict  = conflict
	Again     = again
	Ambiguous = ambiguous
)

// Judge reads the error of a publish.
func Judge(err error) Verdict { return judge(err) }
