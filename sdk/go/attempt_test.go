package millpond

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	millpondv1 "github.com/millpond/millpond/sdk/go/gen/millpond/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"
)

// runOf is the closing report of a handler, and what was told of a panic.
func runOf(t *testing.T, a *attempt, handler Handler) (report *millpondv1.TaskReport, told error) {
	t.Helper()
	done := make(chan struct{})
	go a.run(handler, &Task{attempt: a}, func(err error) { told = err }, func(r *millpondv1.TaskReport) {
		report = r
		close(done)
	})
	next(t, done, "end of the handler")
	if report.GetTaskId() != a.key.taskID || report.GetAttempt() != a.key.number {
		t.Errorf("the report is on %s, attempt %d", report.GetTaskId(), report.GetAttempt())
	}
	return report, told
}

func returns(output any, err error) Handler {
	return func(context.Context, *Task) (any, error) { return output, err }
}

type codedError struct{ error }

func (codedError) Code() string { return "CODED" }

type brokenError struct{ text *string }

func (e *brokenError) Error() string { return *e.text }

func TestWhatAHandlerReturnsIsTheOutput(t *testing.T) {
	report, _ := runOf(t, attemptOf(t, "a"), returns(map[string]any{"reads": 7}, nil))
	if got := report.GetSuccess().GetOutput().GetStructValue().GetFields()["reads"].GetNumberValue(); got != 7 {
		t.Errorf("the report is %v", report)
	}
	nothing, _ := runOf(t, attemptOf(t, "a"), returns(nil, nil))
	if nothing.GetSuccess() == nil || nothing.GetSuccess().GetOutput() != nil {
		t.Errorf("the report is %v", nothing)
	}
}

func TestWhatAHandlerFailsWithIsTheFailure(t *testing.T) {
	details := structpb.NewNumberValue(1)
	for _, each := range []struct {
		err  error
		want *millpondv1.TaskReport_Failure
	}{
		{errors.New("plain"), &millpondv1.TaskReport_Failure{Message: "plain"}},
		{fmt.Errorf("outer: %w", codedError{errors.New("coded")}), &millpondv1.TaskReport_Failure{
			Message: "outer: coded", Code: "CODED"}},
		{fmt.Errorf("outer: %w", &TaskError{Message: "inner", Code: "BUSY", Details: 1, RetryDelay: time.Second,
			NonRetryable: true, Err: errors.New("cause")}), &millpondv1.TaskReport_Failure{
			Message: "outer: inner: cause", Code: "BUSY", Details: details, NonRetryable: true,
			RetryDelay: durationpb.New(time.Second)}},
		{&TaskError{Err: errors.New("cause"), RetryDelay: -1}, &millpondv1.TaskReport_Failure{
			Message: "cause", RetryDelay: durationpb.New(0)}},
		{&TaskError{Message: "long", RetryDelay: 1 << 62}, &millpondv1.TaskReport_Failure{
			Message: "long", RetryDelay: durationpb.New(retryDelayMax)}},
		{&TaskError{Message: "odd", Details: make(chan int)}, &millpondv1.TaskReport_Failure{
			Message: "odd", Details: structpb.NewStringValue("the details are no JSON: json: unsupported type: chan int")}},
		{context.Canceled, &millpondv1.TaskReport_Failure{Message: "context canceled"}},
	} {
		report, told := runOf(t, attemptOf(t, "a"), returns("not this", each.err))
		if got := report.GetFailure(); !proto.Equal(got, each.want) || told != nil {
			t.Errorf("%v is reported as %v, not %v", each.err, got, each.want)
		}
	}
}

func TestTextsAreCutToWhatTheContractTakes(t *testing.T) {
	a := attemptOf(t, "a")
	failure := a.describe(&TaskError{
		Message: "\x00\xff" + strings.Repeat("ü", messageMax), Code: strings.Repeat("x", 300),
	})
	if utf8.RuneCountInString(failure.GetMessage()) != messageMax || len(failure.GetCode()) != codeMax ||
		!strings.HasPrefix(failure.GetMessage(), "\uFFFDü") {
		t.Errorf("they have %d and %d", len(failure.GetMessage()), len(failure.GetCode()))
	}
	lines := linesOf("a\x00" + strings.Repeat("ü", 2*messageMax))
	if len(lines) != 3 || !strings.HasPrefix(lines[0], "a\u2400ü") || lines[2] != "üü" {
		t.Errorf("a long line becomes %d", len(lines))
	}
}

func TestAPanicIsAFailureLikeAnyOther(t *testing.T) {
	for name, each := range map[string]struct {
		handler Handler
		want    string
		code    string
	}{
		"a text":     {func(context.Context, *Task) (any, error) { panic("oh") }, "oh", ""},
		"an error":   {func(context.Context, *Task) (any, error) { panic(codedError{errors.New("oh")}) }, "oh", "CODED"},
		"no code":    {func(context.Context, *Task) (any, error) { panic(codeless{errors.New("oh")}) }, "oh", ""},
		"a Goexit":   {exits, "the handler ended its goroutine", ""},
		"bad output": {returns(panicking{}, nil), "no text for it", ""},
	} {
		report, told := runOf(t, attemptOf(t, "a"), each.handler)
		if failure := report.GetFailure(); failure.GetMessage() != each.want || failure.GetCode() != each.code {
			t.Errorf("%s is reported as %v", name, failure)
		}
		if told == nil || !strings.Contains(told.Error(), "attempt_test.go") {
			t.Errorf("%s is told without a stack: %v", name, told)
		}
	}
}

func exits(context.Context, *Task) (any, error) {
	runtime.Goexit()
	return nil, nil
}

type codeless struct{ error }

func (codeless) Code() string { panic("no code for it") }

type panicking struct{}

func (panicking) MarshalJSON() ([]byte, error) { panic("no text for it") }

func TestAnErrorWithoutATextIsReported(t *testing.T) {
	report, _ := runOf(t, attemptOf(t, "a"), returns(nil, &brokenError{}))
	if report.GetFailure() == nil {
		t.Errorf("the report is %v", report)
	}
}

func TestAnOutputThatIsNoJSONFailsForGood(t *testing.T) {
	report, _ := runOf(t, attemptOf(t, "a"), returns(make(chan int), nil))
	if failure := report.GetFailure(); failure.GetCode() != "OUTPUT_NOT_JSON" || !failure.GetNonRetryable() {
		t.Errorf("it is reported as %v", report)
	}
}

func TestAHandlerThatEndsByTheStopSaysSo(t *testing.T) {
	for _, err := range []error{context.Canceled, fmt.Errorf("wrapped: %w", ErrWorkerStopped)} {
		a := attemptOf(t, "a")
		a.abort(ErrWorkerStopped)
		if failure := a.describe(err); failure.GetCode() != "WORKER_STOPPED" {
			t.Errorf("%v is reported as %v", err, failure)
		}
		if failure := a.describe(errors.New("its own")); failure.GetCode() != "" {
			t.Errorf("a failure of its own is reported as %v", failure)
		}
	}
	a := attemptOf(t, "a")
	a.abort(ErrWorkerStopped)
	if failure := a.describe(&TaskError{Message: "m", Code: "MINE", Err: context.Canceled}); failure.GetCode() != "MINE" {
		t.Errorf("a code of its own becomes %v", failure)
	}
}

func TestWhatIsReportedInsteadOfARefusedReport(t *testing.T) {
	a := attemptOf(t, "a")
	instead := failureInstead(a.success("large"), "too large")
	if instead.GetCode() != "OUTPUT_REFUSED" || !instead.GetNonRetryable() ||
		!strings.Contains(instead.GetMessage(), "too large") {
		t.Errorf("of a success: %v", instead)
	}
	failed := a.failure(a.describe(&TaskError{Message: "m", Code: "C", Details: "large", NonRetryable: true}))
	instead = failureInstead(failed, "too large")
	if instead.GetCode() != "C" || instead.GetDetails() != nil || !instead.GetNonRetryable() {
		t.Errorf("of a failure with details: %v", instead)
	}
	if again := failureInstead(a.failure(instead), "again"); again != nil {
		t.Errorf("of one without: %v", again)
	}
}

func TestWhatATaskIsGiven(t *testing.T) {
	a := attemptOf(t, "a")
	a.assignment.Task.Input = structpb.NewStructValue(&structpb.Struct{Fields: map[string]*structpb.Value{
		"sample": structpb.NewNumberValue(7)}})
	a.assignment.Parents = map[string]*millpondv1.ParentResult{
		"fetch": {Output: structpb.NewNumberValue(1e6)}, "none": {}, "large": {OutputOmitted: true},
	}
	task := &Task{attempt: a}
	if task.ID() != "a" || task.Kind() != "k" || task.Attempt() != 1 || len(task.Parents()) != 3 {
		t.Errorf("it is %s of %s", task.ID(), task.Kind())
	}
	if input, err := Input[struct{ Sample int }](task); err != nil || input.Sample != 7 {
		t.Errorf("its input is %v, %v", input, err)
	}
	if _, err := Input[int](task); err == nil {
		t.Error("an object becomes a number")
	}
	if reads, err := ParentOutput[int](task, "fetch"); err != nil || reads != 1_000_000 {
		t.Errorf("the parent's output is %v, %v", reads, err)
	}
	if output, err := ParentOutput[*int](task, "none"); err != nil || output != nil {
		t.Errorf("nothing is %v, %v", output, err)
	}
	for _, parent := range []string{"large", "nobody"} {
		if _, err := ParentOutput[int](task, parent); err == nil {
			t.Errorf("parent %q has an output", parent)
		}
	}
}
