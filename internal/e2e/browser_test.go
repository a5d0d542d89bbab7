package e2e

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// What is asked of a page: each file says what it does.
var (
	//go:embed testdata/browser/ink.js
	inkScript string
	//go:embed testdata/browser/settled.js
	settledScript string
	//go:embed testdata/browser/orderly.js
	orderlyScript string
)

// browser is a real Chromium with one page, and what it complained of.
type browser struct {
	t    *testing.T
	ctx  context.Context
	base string // address of the server

	mu         sync.Mutex
	complaints []string
}

// newBrowser starts Chromium with a fresh profile.
func newBrowser(t *testing.T, base string) *browser {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("NOT TESTED: the console in a browser, since chromium is not installed (apt-get install chromium)")
	}
	options := append([]chromedp.ExecAllocatorOption{},
		chromedp.ExecPath(path), chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true),
		chromedp.WSURLReadTimeout(time.Minute), chromedp.UserDataDir(t.TempDir()), chromedp.WindowSize(1280, 900))
	allocated, cancel := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(cancel)
	ctx, cancel := chromedp.NewContext(allocated)
	t.Cleanup(func() {
		_ = chromedp.Cancel(ctx) // waits for the process, whose profile is then to be removed
		cancel()
	})
	b := &browser{t: t, ctx: ctx, base: base}
	messages := chromedp.Console(ctx) // starts the browser
	go func() {
		for m, err := range messages { // violations of the content security policy are among them
			if err != nil {
				return
			}
			if m.Type != chromedp.ConsoleLog && m.Type != "debug" && m.Type != "info" {
				b.complain("%s: %s %s", m.Type, m.Text, m.URL)
			}
		}
	}()
	if _, err := chromedp.Call(ctx, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: inkScript}); err != nil {
		t.Fatal(err)
	}
	b.do(chromedp.Navigate("about:blank"))
	return b
}

// of has failures be those of t until the function that it returns is called.
func (b *browser) of(t *testing.T) (back func()) {
	before := b.t
	b.t = t
	return func() { b.t = before }
}

func (b *browser) complain(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.complaints = append(b.complaints, fmt.Sprintf(format, args...))
}

// heard are the complaints since it was asked last.
func (b *browser) heard() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := b.complaints
	b.complaints = nil
	return all
}

func (b *browser) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.t.Fatal(err)
	}
}

// visit opens a page by its address and waits for its heading.
func (b *browser) visit(hash string) {
	b.t.Helper()
	b.do(chromedp.Navigate("about:blank"), chromedp.Navigate(b.base+"/"+hash))
	b.until(20*time.Second, "a heading at "+hash, `document.querySelector('main h1') !== null`)
}

// look has the page be so wide, light or dark, and waits until it has settled into that.
func (b *browser) look(width int64, scheme string) {
	b.t.Helper()
	b.do(chromedp.EmulateViewport(width, 900))
	if _, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
	}); err != nil {
		b.t.Fatal(err)
	}
	b.settle()
}

// settle waits until the page no longer changes its size: a chart follows that of its box a
// frame later.
func (b *browser) settle() {
	b.t.Helper()
	if loose := evaluated[string](b, settledScript); loose != "" {
		b.t.Errorf("not settled: %s", loose)
	}
}

// evaluated is what the expression comes to on the page.
func evaluated[T any](b *browser, script string) T {
	b.t.Helper()
	return must[T](b.t)(chromedp.Run(b.ctx, chromedp.Evaluate[T](script, chromedp.EvalAwaitPromise)))
}

// script runs what comes to nothing.
func (b *browser) script(text string) {
	b.t.Helper()
	evaluated[bool](b, text+"; true")
}

// until waits until the expression holds, and returns how long that took.
func (b *browser) until(within time.Duration, what, script string) time.Duration {
	b.t.Helper()
	begun := time.Now()
	for time.Since(begun) < within {
		if evaluated[bool](b, script) {
			return time.Since(begun)
		}
		time.Sleep(50 * time.Millisecond)
	}
	b.t.Fatalf("not seen within %s: %s; the page says:\n%s\n%v", within, what, evaluated[string](b, `document.body.innerText.slice(0, 3000)`), b.heard())
	return 0
}

// press clicks the first button of that name.
func (b *browser) press(name string) {
	b.t.Helper()
	quoted, _ := json.Marshal(name)
	b.until(10*time.Second, "a button "+name, fmt.Sprintf(`[...document.querySelectorAll('button')].some((b) => b.textContent.trim() === %s)`, quoted))
	b.script(fmt.Sprintf(`[...document.querySelectorAll('button')].find((b) => b.textContent.trim() === %s).click()`, quoted))
}

// orderly is what a person or a screen reader would trip over on the page as it is.
func (b *browser) orderly() []string {
	b.t.Helper()
	return evaluated[[]string](b, orderlyScript)
}

// told fails where the page complained.
func (b *browser) told(t *testing.T, where string) {
	t.Helper()
	if heard := b.heard(); len(heard) > 0 {
		t.Errorf("%s: the browser complained:\n%s", where, strings.Join(heard, "\n"))
	}
}
