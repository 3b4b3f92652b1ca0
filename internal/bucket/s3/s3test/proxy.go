package s3test

import (
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// Fault is what the proxy does with a request instead of passing it on.
type Fault = string

// The faults.
const (
	None         Fault = ""
	Unavailable  Fault = "503"
	Internal     Fault = "500"
	SlowDown     Fault = "503 SlowDown"
	Silent       Fault = "no answer"
	Stall        Fault = "stalls in the body"
	Truncated    Fault = "ends early"
	Reset        Fault = "connection reset"
	ResetInside  Fault = "reset in the body"
	WrongRange   Fault = "another range"
	NoRange      Fault = "the range is ignored"
	WrongETag    Fault = "another ETag"
	WrongSize    Fault = "another size"
	ErrorIn200   Fault = "200 with an error"
	ErrorIn206   Fault = "206 with an error"
	Expired      Fault = "expired credentials"
	Denied       Fault = "access denied"
	Disappeared  Fault = "404"
	NoETag       Fault = "no ETag"
	LongerThan   Fault = "longer than it says"
	NotHTTP      Fault = "no HTTP"
	HTMLIn503    Fault = "503 in HTML"
	RedirectAway Fault = "redirected"
	Lie          Fault = "another bit" // which only a hash tells
)

// Proxy passes requests on, or does not. Its methods may be called by any
// goroutine.
type Proxy struct {
	server *httptest.Server
	inner  http.RoundTripper

	mu struct {
		sync.Mutex
		choose func(i int, r *http.Request) Fault
		seen   []string // method and path of each request
		held   func()
	}
}

func newProxy(t testing.TB, inner http.RoundTripper) *Proxy {
	p := &Proxy{inner: inner}
	p.server = httptest.NewServer(p)
	t.Cleanup(p.server.Close)
	return p
}

// Set chooses faults by the index of the request, from now on counted from 0;
// nil passes all on. What was seen is forgotten.
func (p *Proxy) Set(choose func(i int, r *http.Request) Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mu.choose, p.mu.seen = choose, nil
}

// OnHold is told when the proxy begins to hold a request, until the client gives
// it up.
func (p *Proxy) OnHold(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mu.held = f
}

// Seen lists the requests since Set, such as "GET /models/a".
func (p *Proxy) Seen() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.mu.seen...)
}

// Gets counts the GETs of objects since Set.
func (p *Proxy) Gets() (n int) {
	for _, s := range p.Seen() {
		if strings.HasPrefix(s, "GET ") && !strings.HasSuffix(s, "/"+Name+"/") {
			n++
		}
	}
	return n
}

// ServeHTTP implements http.Handler.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	fault := None
	if p.mu.choose != nil {
		fault = p.mu.choose(len(p.mu.seen), r)
	}
	p.mu.seen = append(p.mu.seen, r.Method+" "+r.URL.Path)
	p.mu.Unlock()
	if answers(w, fault) {
		return
	}
	switch fault {
	case Silent:
		p.hold(r)
		panic(http.ErrAbortHandler)
	case Reset:
		reset(w)
		return
	case NotHTTP:
		hijack(w, func(c net.Conn) { _, _ = io.WriteString(c, "220 smtp.example.com ESMTP\r\n") })
		return
	}
	p.forward(w, r, fault)
}

// answers gives the answers that need no server.
func answers(w http.ResponseWriter, fault Fault) bool {
	say := func(status int, code string) bool {
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(status)
		_, _ = fmt.Fprintf(w, "<?xml version=\"1.0\"?><Error><Code>%s</Code><Message>The key %s is no good</Message></Error>", code, AccessKey)
		return true
	}
	switch fault {
	case Unavailable:
		return say(http.StatusServiceUnavailable, "ServiceUnavailable")
	case SlowDown:
		return say(http.StatusServiceUnavailable, "SlowDown")
	case Internal:
		return say(http.StatusInternalServerError, "InternalError")
	case ErrorIn200:
		w.Header().Set("Last-Modified", "Mon, 02 Jan 2006 15:04:05 GMT")
		return say(http.StatusOK, "InternalError")
	case Expired:
		return say(http.StatusBadRequest, "ExpiredToken")
	case Denied:
		return say(http.StatusForbidden, "AccessDenied")
	case Disappeared:
		return say(http.StatusNotFound, "NoSuchKey")
	case HTMLIn503:
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, "<html>\x1b]0;owned\x07 down for maintenance</html>")
		return true
	case RedirectAway:
		w.Header().Set("Location", "http://127.0.0.1:1/elsewhere")
		return say(http.StatusTemporaryRedirect, "TemporaryRedirect")
	}
	return false
}

// hold waits until the client has given up.
func (p *Proxy) hold(r *http.Request) {
	p.mu.Lock()
	held := p.mu.held
	p.mu.Unlock()
	if held != nil {
		held()
	}
	<-r.Context().Done()
}

// forward passes a request on, and the answer back with its fault.
func (p *Proxy) forward(w http.ResponseWriter, r *http.Request, fault Fault) {
	out := r.Clone(r.Context())
	out.URL.Scheme, out.URL.Host = "http", "s3"
	out.RequestURI = ""
	resp, err := p.inner.RoundTrip(out)
	if err != nil {
		panic(http.ErrAbortHandler) // the client has gone
	}
	defer func() { _ = resp.Body.Close() }()
	h := w.Header()
	maps.Copy(h, resp.Header)
	half := resp.ContentLength / 2
	switch fault {
	case WrongETag:
		h.Set("ETag", `"0123456789abcdef0123456789abcdef"`)
	case NoETag:
		h.Del("ETag")
	case WrongSize:
		if span, _, ok := strings.Cut(h.Get("Content-Range"), "/"); ok {
			h.Set("Content-Range", span+"/123456789")
		}
	case LongerThan:
		h.Set("Content-Length", strconv.FormatInt(resp.ContentLength+1, 10))
	case WrongRange: // honestly said: the bytes one after those that were asked for
		var first, last, size int64
		_, _ = fmt.Sscanf(h.Get("Content-Range"), "bytes %d-%d/%d", &first, &last, &size)
		h.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", first+1, last+1, size))
		w.WriteHeader(resp.StatusCode)
		_, _ = io.CopyN(io.Discard, resp.Body, 1)
		_, _ = io.Copy(w, resp.Body)
		_, _ = w.Write([]byte{0})
		return
	case NoRange: // as many bytes as the object has
		_, size, _ := strings.Cut(h.Get("Content-Range"), "/")
		n, _ := strconv.Atoi(size)
		h.Del("Content-Range")
		h.Set("Content-Length", size)
		w.WriteHeader(http.StatusOK)
		_, _ = w.Write(make([]byte, n))
		return
	case ErrorIn206:
		text := "<?xml version=\"1.0\"?><Error><Code>InternalError</Code></Error>"
		h.Set("Content-Length", strconv.Itoa(len(text)))
		w.WriteHeader(resp.StatusCode)
		_, _ = io.WriteString(w, text)
		return
	}
	w.WriteHeader(resp.StatusCode)
	switch fault {
	case Stall, Truncated, ResetInside:
		_, _ = io.CopyN(w, resp.Body, half)
		_ = http.NewResponseController(w).Flush()
		switch fault {
		case Stall:
			p.hold(r)
		case ResetInside:
			reset(w)
			return
		}
		panic(http.ErrAbortHandler)
	case LongerThan:
		_, _ = io.Copy(w, resp.Body)
		_, _ = io.WriteString(w, "!")
		return
	case Lie:
		b, _ := io.ReadAll(resp.Body)
		if len(b) > 0 {
			b[len(b)/2] ^= 8
		}
		_, _ = w.Write(b)
		return
	}
	_, _ = io.Copy(w, resp.Body)
}

func hijack(w http.ResponseWriter, do func(net.Conn)) {
	c, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	do(c)
	_ = c.Close()
}

// reset ends a connection as a machine does that has forgotten it.
func reset(w http.ResponseWriter) {
	hijack(w, func(c net.Conn) {
		if tcp, ok := c.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
	})
}
