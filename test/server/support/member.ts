// A process of a group, as MEMBER says: one that ends before it serves, names a reason, or serves and does not stop.
switch (process.env.MEMBER) {
  case "ends":
    process.exit(3);
    break;
  case "fails":
    process.send?.({ case: "failed", message: "the port is taken" }, undefined, undefined, () => process.exit(1));
    break;
  case "hangs":
    process.on("message", () => {});
    process.send?.({ case: "listening", url: "http://127.0.0.1:1", port: Number(process.env.PORT) });
    break;
}
