// Runs every audit of graphql-http against AUDITED_URL with the token AUDITED_TOKEN: a line of JSON for each.
import { serverAudits } from "graphql-http";

const withToken = (url, options = {}) =>
  fetch(url, { ...options, headers: { ...options.headers, authorization: `Bearer ${process.env.AUDITED_TOKEN}` } });

for (const audit of serverAudits({ url: process.env.AUDITED_URL, fetchFn: withToken })) {
  const { id, name, status, reason, response } = await audit.fn();
  console.log(JSON.stringify({ id, name, status, reason, answered: response?.status }));
}
