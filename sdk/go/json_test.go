package millpond

import (
	"encoding/json"
	"math"
	"reflect"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/structpb"
)

func TestValuesAreWhatJSONMakesOfThem(t *testing.T) {
	type reads struct {
		Count int64     `json:"count"`
		At    time.Time `json:"at,omitzero"`
		Tags  []string  `json:"tags"`
	}
	value, err := ToValue(reads{Count: 1 << 53, Tags: []string{"a", "\xff"}})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"count": float64(1 << 53), "tags": []any{"a", "\uFFFD"}}
	if got := value.AsInterface(); !reflect.DeepEqual(got, want) {
		t.Errorf("it is %v", got)
	}
	back, err := FromValue[reads](value)
	if err != nil || back.Count != 1<<53 || len(back.Tags) != 2 {
		t.Errorf("it comes back as %+v, %v", back, err)
	}
}

func TestWhatIsNoJSONIsRefused(t *testing.T) {
	for _, v := range []any{
		math.Inf(1), make(chan int), func() {}, json.RawMessage("{"), json.RawMessage("1e999"),
		structpb.NewNumberValue(math.NaN()), structpb.NewStringValue("\xff"),
	} {
		if value, err := ToValue(v); err == nil {
			t.Errorf("%v becomes %v", v, value)
		}
	}
}

func TestAnAbsentValueIsNull(t *testing.T) {
	for _, absent := range []*structpb.Value{nil, structpb.NewNullValue()} {
		if got, err := FromValue[map[string]int](absent); err != nil || got != nil {
			t.Errorf("it is %v, %v", got, err)
		}
	}
	if _, err := FromValue[int](structpb.NewStringValue("seven")); err == nil {
		t.Error("a text becomes a number")
	}
	if value, err := optionalValue(nil); value != nil || err != nil {
		t.Errorf("nothing becomes %v, %v", value, err)
	}
}
