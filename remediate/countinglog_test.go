package remediate_test

import (
	"context"
	"log/slog"
)

// countingLog counts lines.
type countingLog struct{ n int }

func (l *countingLog) logger() *slog.Logger                      { return slog.New(l) }
func (*countingLog) Enabled(context.Context, slog.Level) bool    { return true }
func (l *countingLog) Handle(context.Context, slog.Record) error { l.n++; return nil }
func (l *countingLog) WithAttrs([]slog.Attr) slog.Handler        { return l }
func (l *countingLog) WithGroup(string) slog.Handler             { return l }
