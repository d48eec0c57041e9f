import { createContextValues } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { type CalledBy, isJsonCall, isJsonKey } from "../../src/rpc/is-json-call.ts";

/** A call on the fast path, whose headers are made when they are looked at. */
function fastCall(isJson: boolean): CalledBy {
  return {
    requestMethod: "POST",
    url: "http://127.0.0.1/a.Service/Method",
    values: createContextValues().set(isJsonKey, isJson),
    get requestHeader(): Headers {
      throw new Error("the headers were looked at");
    },
  };
}

test("what is known of a call on the fast path is told without its headers", () => {
  expect([isJsonCall(fastCall(true)), isJsonCall(fastCall(false))]).toEqual([true, false]);
});

test("of any other call, the content type tells, or the address of a GET", () => {
  const call = (requestMethod: string, contentType: string, query = ""): CalledBy => ({
    ...{ requestMethod, url: `http://127.0.0.1/a.Service/Method${query}`, values: createContextValues() },
    requestHeader: new Headers({ "content-type": contentType }),
  });
  expect(isJsonCall(call("POST", "application/json"))).toBe(true);
  expect(isJsonCall(call("POST", "application/grpc+json"))).toBe(true);
  expect(isJsonCall(call("POST", "application/grpc"))).toBe(false);
  expect(isJsonCall(call("GET", "", "?encoding=json"))).toBe(true);
  expect(isJsonCall(call("GET", "", "?encoding=proto"))).toBe(false);
});
