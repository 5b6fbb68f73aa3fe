package events

import "time"

// Identity tells one stream of events from another of the same name, and says
// how far it reaches. A stream that was deleted and made again, or restored
// into a new one, has another creation time.
type Identity struct {
	Created time.Time
	First   Seq // of the oldest message; Last+1 when there is none
	Last    Seq // of the newest message; 0: nothing was ever stored
}
