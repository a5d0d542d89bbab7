package foreshock

import (
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
)

// ExprName is the metric name of the series that a rule's expression results in, beside
// the label rule. Nobody sends such a series: see OwnOutput.
const ExprName = "foreshock_expr"

// ExprLabels are the labels of the series of rule, where its expression results in ls. The
// metric name, if that has one, is gone; a label rule stays as exported_rule.
func ExprLabels(ls labels.Labels, rule string) labels.Labels {
	b := labels.NewBuilder(ls)
	if old := ls.Get(RuleLabel); old != "" {
		b.Set("exported_"+RuleLabel, old)
	}
	b.Set(model.MetricNameLabel, ExprName)
	b.Set(RuleLabel, rule)
	return b.Labels()
}

// IsExpr reports whether ls is of a rule's expression.
func IsExpr(ls labels.Labels) bool { return ls.Get(model.MetricNameLabel) == ExprName }

// exprName is how people read ls: under the name of its rule, and the rest of the labels.
func exprName(ls labels.Labels) (name string, rest labels.Labels) {
	return ls.Get(RuleLabel), labels.NewBuilder(ls).Del(model.MetricNameLabel, RuleLabel).Labels()
}
