package millpond

import (
	"encoding/json"
	"fmt"

	"google.golang.org/protobuf/types/known/structpb"
)

// ToValue is what [json.Marshal] makes of v, as the contract takes it. Numbers are those of JSON: whole ones are
// exact up to 2^53.
func ToValue(v any) (*structpb.Value, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	var plain any
	if err := json.Unmarshal(text, &plain); err != nil {
		return nil, err
	}
	return structpb.NewValue(plain)
}

// FromValue decodes a value as [json.Unmarshal] does. A value that is absent is null, which leaves the zero value of
// most types.
func FromValue[T any](value *structpb.Value) (T, error) {
	var decoded T
	text, err := json.Marshal(value.AsInterface())
	if err != nil {
		return decoded, err
	}
	err = json.Unmarshal(text, &decoded)
	return decoded, err
}

// toStruct is what json.Marshal makes of v, which must be an object; of a null, for example a nil map, nothing.
func toStruct(v any) (*structpb.Struct, error) {
	value, err := ToValue(v)
	if err != nil {
		return nil, err
	}
	switch kind := value.GetKind().(type) {
	case *structpb.Value_StructValue:
		return kind.StructValue, nil
	case *structpb.Value_NullValue:
		return nil, nil
	default:
		return nil, fmt.Errorf("it is no JSON object but %T", v)
	}
}
