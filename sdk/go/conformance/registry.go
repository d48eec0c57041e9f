package main

import (
	"fmt"
	"maps"
	"slices"
	"sync"
)

// registry holds what was opened, by its name.
type registry[T any] struct {
	mu    sync.Mutex
	named map[string]T
}

func (r *registry[T]) put(name string, thing T) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.named == nil {
		r.named = map[string]T{}
	}
	r.named[name] = thing
}

func (r *registry[T]) get(name string) (T, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	thing, ok := r.named[name]
	if !ok {
		return thing, runnerError{fmt.Errorf("there is no %q", name)}
	}
	return thing, nil
}

func (r *registry[T]) all() []T {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Collect(maps.Values(r.named))
}
