// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"strings"
	"time"
)

func title(out io.Writer, s setting) {
	where := func(server string) string {
		if server == "" {
			return "in this process"
		}
		return server
	}
	fmt.Fprintf(out, "Kafka: %s. NATS: %s.\n", where(strings.Join(s.brokers, ",")), where(s.nats))
	fmt.Fprintf(out, "%d partitions, a record every %s in each. %d workers in each fleet, restarted one after the other; "+
		"a process is away for %s.\n\n", s.plan.partitions, s.plan.every, s.plan.workers, s.plan.away)
}

// table prints the outcomes side by side.
func table(out io.Writer, all []*contender, outcomes []outcome, crashed bool) {
	type row struct {
		name  string
		value func(i int) string
	}
	rows := []row{
		{"", func(i int) string { return all[i].name }},
		{"", func(i int) string { return all[i].how }},
		{"longest pause, worst partition", func(i int) string { return seconds(outcomes[i].worst) }},
		{"longest pause, median partition", func(i int) string { return seconds(outcomes[i].median) }},
		{"partitions moved to another worker", func(i int) string { return fmt.Sprint(outcomes[i].moves) }},
		{"partitions begun anew", func(i int) string { return fmt.Sprint(outcomes[i].interrupts) }},
		{"records processed twice", func(i int) string { return fmt.Sprint(outcomes[i].duplicates) }},
		{"records lost", func(i int) string { return fmt.Sprint(outcomes[i].lost) }},
		{"records processed by a stale owner", func(i int) string { return fmt.Sprint(outcomes[i].stale) }},
		{"errors that workers survived", func(i int) string { return fmt.Sprint(len(outcomes[i].errs)) }},
	}
	if crashed {
		rows = append(rows, row{"after a crash: longest pause", func(i int) string { return seconds(outcomes[i].crashed) }},
			row{"after a crash: processed twice", func(i int) string { return fmt.Sprint(outcomes[i].later) }})
	}
	fmt.Fprintln(out)
	for _, row := range rows {
		fmt.Fprintf(out, "%-36s", row.name)
		for i := range all {
			fmt.Fprintf(out, "%13s", row.value(i))
		}
		fmt.Fprintln(out)
	}
	fmt.Fprintln(out)
	for i, o := range outcomes {
		for _, err := range o.errs {
			fmt.Fprintf(out, "%s, %s survived: %v\n", all[i].name, all[i].how, err)
		}
	}
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.2fs", d.Seconds()) }
