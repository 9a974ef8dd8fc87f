// Lambda's Node.js runtime with as little as can be: hands the Runtime API's events to the handler of the module HANDLER, over one
// connection that it keeps. AWS's own client needs a C++ compiler, CMake and minutes to install.

const http = require("node:http");

const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(":");

function call(method, place, body) {
  return new Promise((resolve, reject) => {
    const path = `/2018-06-01/runtime/invocation/${place}`;
    const headers = body === undefined ? {} : { "content-length": Buffer.byteLength(body) };
    const request = http.request({ agent, host, port, method, path, headers }, (answer) => {
      const chunks = [];
      answer.on("data", (chunk) => chunks.push(chunk));
      answer.on("end", () => resolve({ headers: answer.headers, text: Buffer.concat(chunks).toString() }));
    });
    request.on("error", reject);
    request.end(body);
  });
}

(async () => {
  const { handler } = require(process.env.HANDLER);
  for (;;) {
    const { headers, text } = await call("GET", "next");
    const id = headers["lambda-runtime-aws-request-id"];
    try {
      await call("POST", `${id}/response`, JSON.stringify(await handler(JSON.parse(text))));
    } catch (error) {
      const report = { errorType: error.name, errorMessage: error.message };
      await call("POST", `${id}/error`, JSON.stringify(report));
    }
  }
})();
