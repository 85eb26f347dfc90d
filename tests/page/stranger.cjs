// What another website can do to somebody who is logged in: link here, and no more.
'use strict'

const http = require('node:http')
const { logIn, path, play } = require('./drive.cjs')

const WANTED = '/?from=elsewhere'

/** Serves a page on another site: 127.0.0.1 and localhost are two. */
async function elsewhere(body) {
  const server = http.createServer((_, response) => {
    const page = `<!doctype html><meta charset="utf-8"><title>Elsewhere</title><link rel="icon" href="data:,">${body}`
    response.writeHead(200, { 'content-type': 'text/html' }).end(page)
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { url: `http://localhost:${server.address().port}/`, close: () => server.close() }
}

/** A form that sends what a form of ours would send; even its CSRF token is right. */
function form(action, fields, name) {
  const inputs = Object.entries(fields).map(([name, value]) => `<input name="${name}" value="${value}">`)
  return `<form method="post" action="${action}">${inputs.join('')}<button>${name}</button></form>`
}

play(async ({ params, watch, visitor }) => {
  const page = await visitor()
  await page.goto(WANTED)
  if (params.token) await logIn(page, params.token)
  await page.waitForURL(WANTED)
  const tokens = page.locator('form[method=post] input[name=csrf]')
  const csrf = (await tokens.count()) ? await tokens.first().inputValue() : ''

  const other = await elsewhere(
    `<a href="${params.address}${WANTED}">the relay</a>` +
      form(`${params.address}/logout`, { csrf }, 'log out') +
      form(`${params.address}/login`, { csrf, token: params.token ?? 'x', next: '/' }, 'log in') +
      form(`${params.address}/change`, { csrf, do: 'discard', id: '1', back: '/' }, 'discard')
  )
  watch.known.push(new URL(other.url).origin)
  const rejected = {}
  try {
    await page.goto(other.url)
    await page.getByRole('link', { name: 'the relay' }).click()
    await page.waitForURL(WANTED)
    await page.getByRole('heading', { level: 1, name: 'Overview' }).waitFor()

    for (const name of ['log out', 'log in', 'discard']) {
      await page.goto(other.url)
      await page.getByRole('button', { name }).click()
      await page.getByRole('heading', { name: 'That cannot be done' }).waitFor()
      // Its cookie stays at home, and without one it is refused for where it comes from.
      rejected[name] = watch.expected(/40[13]/)
    }
  } finally {
    other.close()
  }
  await page.goto(WANTED)
  return { rejected, wanted: WANTED, path: path(page) }
})
