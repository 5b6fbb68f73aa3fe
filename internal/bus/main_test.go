package bus

import (
	"os"
	"testing"

	"github.com/peering/peering/internal/testkit"
)

func TestMain(m *testing.M) { os.Exit(testkit.Main(m)) }
