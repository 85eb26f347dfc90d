// An event made of markup and script is text on every page, and nothing of it runs.
'use strict'

const { play } = require('./drive.cjs')

/** What is on the page that none of ours puts there. */
function planted(page) {
  return page.evaluate(() => {
    const found = []
    if (window.hacked !== undefined) found.push('it ran')
    for (const part of document.querySelectorAll('*')) {
      for (const { name, value } of part.attributes) {
        if (/^on/i.test(name) || name === 'style') found.push(`${part.localName} ${name}=${value}`)
        const link = ['href', 'src', 'action', 'formaction', 'srcset', 'data'].includes(name)
        if (link && !['http:', 'https:'].includes(new URL(value, location.href).protocol)) found.push(`a way to ${value}`)
        if (link && new URL(value, location.href).origin !== location.origin) found.push(`a way to ${value}`)
      }
      const ours = part.localName !== 'script' || (part.src && part.text === '')
      if (!ours || ['iframe', 'object', 'embed', 'base', 'svg:script'].includes(part.localName)) found.push(part.outerHTML)
      if (part.localName === 'img' && !part.getAttribute('src').startsWith('/assets/')) found.push(part.outerHTML)
    }
    return found
  })
}

play(async ({ params, visitor }) => {
  const page = await visitor()
  const found = []
  const look = async (path) => {
    await page.locator('details').evaluateAll((all) => all.forEach((details) => (details.open = true)))
    found.push(...(await planted(page)).map((what) => `${path}: ${what}`))
    const text = await page.locator('main').innerText()
    const fields = await page.locator('main input, main textarea').evaluateAll((fields) => fields.map((field) => field.value))
    const shown = [text, ...fields].join('\n')
    if (!params.texts.some((text) => shown.includes(text))) found.push(`${path}: does not show it, but ${text.slice(0, 400)}`)
  }
  for (const path of params.paths) {
    await page.goto(path)
    await look(path)
  }
  // Typed in, and a mistake too.
  for (const call of [params.call, `${params.texts[0]} ${params.call}`]) {
    await page.goto('/try')
    await page.getByLabel('Segment call').fill(call)
    await page.getByRole('button', { name: 'Explain' }).click()
    await page.waitForURL('/try')
    await look('what was tried')
  }
  return { found }
})
