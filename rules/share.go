package rules

import (
	"errors"
	"fmt"
	"strings"

	"github.com/prometheus/prometheus/promql/parser"
)

// share makes a forecast whose limit is PromQL one of what each series is of its limit.
func (r *reader) share(at string, f *Forecast, comparison string) {
	what := f.Expr.text
	if what == "" {
		what = f.Select.promQL()
	}
	if what == "" || len(f.Select) > 0 && f.Expr.text != "" {
		return // said elsewhere
	}
	e, above, err := shareOf(what, comparison)
	if err != nil {
		r.Reject(at+".limit", "%s", err)
		return
	}
	f.Select, f.Expr, f.Limit, f.Above = nil, e, 1, above
}

// shareOf is the expression of which of its limit each result of what is, given the rest of
// a comparison with the limit, such as "> on (job) quota". Vectors are matched as in the
// comparison.
func shareOf(what, comparison string) (e Expr, above bool, err error) {
	compared := "(" + what + ") " + comparison
	if err := BoundPromQL(compared); err != nil {
		return Expr{}, false, err
	}
	tree, err := parser.NewParser(parser.Options{}).ParseExpr(compared)
	if err != nil {
		var pe parser.ParseErrors
		if errors.As(err, &pe) && len(pe) > 0 { // where in the comparison, of which alone the user knows
			return Expr{}, false, fmt.Errorf("PromQL: character %d: %w", max(int(pe[0].PositionRange.Start)-len(compared)+len(comparison), 0)+1, pe[0].Err)
		}
		return Expr{}, false, fmt.Errorf("PromQL: %w", err)
	}
	c, ok := tree.(*parser.BinaryExpr)
	if ok {
		_, ok = c.LHS.(*parser.ParenExpr)
	}
	if !ok || c.ReturnBool || c.Op != parser.GTR && c.Op != parser.LSS {
		return Expr{}, false, errors.New(`want > or < and one limit, such as "> on (job) quota"; put an expression of several parts in parentheses`)
	}
	of := c.RHS
	if of.Type() == parser.ValueTypeVector {
		of = &parser.ParenExpr{Expr: &parser.BinaryExpr{
			Op: parser.GTR, LHS: &parser.ParenExpr{Expr: of}, RHS: &parser.NumberLiteral{},
		}}
	}
	divided := parser.BinaryExpr{Op: parser.DIV, LHS: c.LHS, RHS: of, VectorMatching: c.VectorMatching}
	return e, c.Op == parser.GTR, e.UnmarshalText([]byte(divided.String()))
}

// promQL is an expression of the series that the selector selects.
func (s Selector) promQL() string {
	var all []string
	for _, ms := range s {
		all = append(all, (&parser.VectorSelector{LabelMatchers: ms}).String())
	}
	return strings.Join(all, " or ")
}
