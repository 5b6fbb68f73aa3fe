package app_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/peering/peering/internal/testkit"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, testkit.Background()...) }
