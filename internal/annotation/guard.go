package annotation

import (
	"fmt"
	"reflect"
	"text/template"
	"text/template/parse"
)

// maxSteps bounds how often the loops of one template may turn and its templates call one
// another: {{range 1000000000}} writes nothing for minutes.
const maxSteps = 10_000

// step is a call of the function step, which counts.
var step = func() parse.Node {
	t := template.Must(template.New("step").Funcs(template.FuncMap{"step": func() string { return "" }}).Parse("{{step}}"))
	return t.Root.Nodes[0]
}()

// counter is the function step of one execution.
func counter() func() (string, error) {
	n := 0
	return func() (string, error) {
		if n++; n > maxSteps {
			return "", fmt.Errorf("more than %d steps", maxSteps)
		}
		return "", nil
	}
}

// guard has every loop of t and every template in it take a step, and reports a field of
// the data that is none.
func guard(t *template.Template) error {
	for _, one := range t.Templates() {
		if one.Tree == nil {
			continue
		}
		if err := walk(one.Root, one.Name() == t.Name()); err != nil {
			return err
		}
		one.Root.Nodes = append([]parse.Node{step}, one.Root.Nodes...)
	}
	return nil
}

// walk guards what is under n, where the dot is the data if known.
func walk(n parse.Node, known bool) error {
	switch n := n.(type) {
	case *parse.ListNode:
		if n == nil {
			return nil
		}
		for _, child := range n.Nodes {
			if err := walk(child, known); err != nil {
				return err
			}
		}
	case *parse.ActionNode:
		return walk(n.Pipe, known)
	case *parse.PipeNode:
		for _, command := range n.Cmds {
			for _, arg := range command.Args {
				if err := walk(arg, known); err != nil {
					return err
				}
			}
		}
	case *parse.FieldNode:
		if known && !isField(n.Ident[0]) {
			return fmt.Errorf("no field .%s", n.Ident[0])
		}
	case *parse.IfNode:
		return branch(&n.BranchNode, known, known)
	case *parse.WithNode:
		return branch(&n.BranchNode, known, false)
	case *parse.RangeNode:
		err := branch(&n.BranchNode, known, false)
		n.List.Nodes = append([]parse.Node{step}, n.List.Nodes...)
		return err
	}
	return nil
}

// branch guards an if, with or range, in whose body the dot is the data if inside.
func branch(b *parse.BranchNode, known, inside bool) error {
	if err := walk(b.Pipe, known); err != nil {
		return err
	}
	if err := walk(b.List, inside); err != nil {
		return err
	}
	return walk(b.ElseList, known)
}

func isField(name string) bool {
	_, ok := reflect.TypeFor[Data]().FieldByName(name)
	return ok
}
