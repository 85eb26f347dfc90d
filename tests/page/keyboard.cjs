// The way through a page with the keyboard alone.
'use strict'

const assert = require('node:assert/strict')
const { play } = require('./drive.cjs')

/** What has the focus, as it is called, and whether one sees that it has. */
function focused(page) {
  return page.evaluate(() => {
    const { activeElement: it } = document
    const { outlineStyle, outlineWidth } = getComputedStyle(it)
    const name = it.labels?.[0]?.innerText ?? it.innerText
    return { name: name.trim(), seen: outlineStyle !== 'none' && outlineWidth !== '0px' }
  })
}

play(async ({ visitor }) => {
  const page = await visitor()
  await page.goto('/events')
  const names = []
  for (let step = 0; names.at(-1) !== 'Find an event'; step += 1) {
    assert.ok(step < 15, `the search is out of reach: ${names}`)
    await page.keyboard.press('Tab')
    const { name, seen } = await focused(page)
    assert.ok(seen, `nobody sees that ${name} has the focus`)
    names.push(name)
  }
  const pages = ['Overview', 'Events', 'Dead letters', 'Blocked', 'Try an event', 'Sandbox']
  assert.deepEqual(names, ['Skip to the content', 'klaviyo-relay', ...pages, 'Find an event'])

  await page.reload()
  await page.keyboard.press('Tab')
  await page.keyboard.press('Enter')
  assert.equal(await page.evaluate(() => document.activeElement.id), 'main', 'past the head')
  await page.keyboard.press('Tab')
  const inside = await page.evaluate(() => document.getElementById('main').contains(document.activeElement))
  assert.ok(inside, 'and on from there')

  await page.evaluate(() => document.activeElement.blur())
  await page.keyboard.press('/')
  await page.keyboard.type('nobody-has-this')
  await page.keyboard.press('Enter')
  await page.waitForURL('/events?q=nobody-has-this')
})
