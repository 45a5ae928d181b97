package browsertest

import (
	"context"
	"net/http/httptest"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestShot(t *testing.T) {
	b, err := StartBrowser(context.Background())
	require.NoError(t, err)
	defer b.Close()
	f := NewFake(24, 960)
	s := httptest.NewServer(f)
	defer s.Close()
	tab, end, err := b.Open(Look{Width: 1280, Height: 1100}, s.URL)
	require.NoError(t, err)
	defer end()
	err = tab.Until(`document.documentElement.dataset.drawn`)
	png, _ := tab.Shot()
	t.Log(tab.Complaints(), tab.Requests())
	require.NoError(t, os.WriteFile("/tmp/shot.png", png, 0o644))
	require.NoError(t, err)
}
