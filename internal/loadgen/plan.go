package main

// standard is the table of docs/benchmarks.md. The scrapes are as many as make a second
// or more of what is measured, and few enough for the whole to end within 20 minutes.
func standard() []row {
	const connections = 4
	var rows []row
	add := func(r row) {
		if r.Connections == 0 {
			r.Connections = connections
		}
		if r.Cores == 0 {
			r.Cores = 1
		}
		if r.Measured == 0 {
			r.Warm, r.Measured = scrapesFor(r.Series)
		}
		rows = append(rows, r)
	}
	for _, series := range []int{10_000, 100_000, 1_000_000} {
		add(row{Series: series, Protocol: rw1, Mix: defaultMix})
		add(row{Series: series, Protocol: rw2, Mix: defaultMix})
		if series < 1_000_000 {
			add(row{Series: series, Protocol: rw1, Mix: movingMix})
		}
	}
	add(row{Series: 1_000_000, Protocol: rw2, Mix: movingMix})
	add(row{Series: 100_000, Protocol: rw1, Mix: defaultMix, Connections: 1})
	add(row{Series: 100_000, Protocol: rw1, Mix: defaultMix, Connections: 8})
	add(row{Series: 100_000, Protocol: rw1, Mix: defaultMix, Cores: 2})
	add(row{Series: 100_000, Protocol: rw1, Mix: defaultMix, Rate: 100_000})
	return rows
}

// scrapesFor is how many scrapes of so many series warm a server up after the first,
// and how many are measured: 2 M samples of 10k series, 1.2 M of 100k, 3 M of 1M.
func scrapesFor(series int) (warm, measured int) {
	switch {
	case series <= 10_000:
		return 102, 100 // all of Foreshock's warm-up
	case series <= 100_000:
		return 14, 12
	default:
		return 4, 3
	}
}
