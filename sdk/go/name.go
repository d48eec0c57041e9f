package millpond

import (
	"strconv"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// Name is the name of an enum's value without its prefix: "SUCCESS" for TASK_STATUS_SUCCESS. A value that this version
// does not know is its number.
func Name(value protoreflect.Enum) string {
	values := value.Descriptor().Values()
	descriptor := values.ByNumber(value.Number())
	if descriptor == nil {
		return strconv.Itoa(int(value.Number()))
	}
	prefix := strings.TrimSuffix(string(values.ByNumber(0).Name()), "UNSPECIFIED")
	return strings.TrimPrefix(string(descriptor.Name()), prefix)
}
