// Package incident joins anomalies that happen together into one incident, so that
// a person is told once.
//
// Two anomalies belong together when they are of one kind, start within
// Config.JoinWithin of each other and share the values of one of the label sets of
// Config.Affinity: what happens to one host, one workload or one service. A series
// belongs to at most one open incident per kind; incidents that turn out to touch
// stay apart, because what was told cannot be untold.
//
// An incident is pending until it has lasted Config.FireAfter and a rule selected
// one of its members; one that no rule selected is shown, and nobody is told. It is
// resolved once all members have ended and stayed so for Config.ResolveAfter.
// Silence is not recovery: a member ends by an anomaly that says so and by nothing
// else, so an incident whose input stops stays open until the series come back or
// the detector gives them up.
//
// A Correlator is plain data: no clock, no goroutine, no I/O, not safe for
// concurrent use. It knows sample time only, and the same anomalies give the same
// incidents.
package incident
