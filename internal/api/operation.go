package api

// Operation describes one request that is answered. docs/openapi.json is made of them.
type Operation struct {
	Pattern string // as a Mux has it: GET /api/v1/incidents/{id}
	Summary string
	Query   []Parameter
	Token   bool // it wants one
	Body    any  // a zero value of what is sent as JSON
	Answer  any  // a zero value of what is answered as data
	// BodyType and Type are the content types where what is sent or answered is not of Body
	// and Answer; "" is nothing.
	BodyType, Type string
}

// Parameter is one of an operation's query.
type Parameter struct {
	Name, About string
	Number      *Range // that it must be in; nil is text
	Many        bool   // it may be repeated
}

// Range is of numbers, both ends included.
type Range struct {
	Least, Most float64
	Usual       float64 // where it is left out; NaN is none
	Whole       bool
}

// Count is a Range of whole numbers.
func Count(usual, least, most int) *Range {
	return &Range{Least: float64(least), Most: float64(most), Usual: float64(usual), Whole: true}
}
