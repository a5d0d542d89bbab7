package rules

// Shape is what a rule file is decoded into, empty: for who describes the form of one,
// such as the generator of its JSON Schema.
func Shape() any { return new(ruleFile) }

// Choices are the keys of which a rule has one; Choose says what each of them begins.
func (r *rule) Choices() []string { return kinds }
