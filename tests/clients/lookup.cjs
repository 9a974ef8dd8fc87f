// Looks up the wrapping token of the context on standard input by node-vault, without a token and a namespace of its own.
const { vaultWrappingToken: token } = JSON.parse(require("node:fs").readFileSync(0, "utf8"));
require("node-vault")({ token: "", namespace: "" }).write("sys/wrapping/lookup", { token }).catch(() => {});
