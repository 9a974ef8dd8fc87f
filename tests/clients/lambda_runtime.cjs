// Lambda's Node.js runtime, as far as the sample sees it: hands the Runtime API's events to the handler of the module SAMPLE.

const runtime = `http://${process.env.AWS_LAMBDA_RUNTIME_API}/2018-06-01/runtime/invocation/`;

(async () => {
  const { handler } = await import(process.env.SAMPLE);
  for (;;) {
    const invocation = await fetch(`${runtime}next`);
    const answer = await handler(await invocation.json());
    const id = invocation.headers.get("lambda-runtime-aws-request-id");
    await fetch(`${runtime}${id}/response`, { method: "POST", body: JSON.stringify(answer) });
  }
})();
