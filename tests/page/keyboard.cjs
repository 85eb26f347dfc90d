// The way through a page with the keyboard alone.
'use strict'

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
  const [names, unseen] = [[], []]
  for (let step = 0; names.at(-1) !== 'Find an event'; step += 1) {
    if (step === 15) throw new Error(`the search is out of reach: ${names}`)
    await page.keyboard.press('Tab')
    const { name, seen } = await focused(page)
    if (!seen) unseen.push(name)
    names.push(name)
  }

  await page.reload()
  await page.keyboard.press('Tab')
  await page.keyboard.press('Enter')
  const skipped_to = await page.evaluate(() => document.activeElement.id)
  await page.keyboard.press('Tab')
  const stays_inside = await page.evaluate(() => document.getElementById('main').contains(document.activeElement))

  await page.evaluate(() => document.activeElement.blur())
  await page.keyboard.press('/')
  await page.keyboard.type('nobody-has-this')
  await page.keyboard.press('Enter')
  await page.waitForURL('/events?q=nobody-has-this')
  return { names, unseen, skipped_to, stays_inside }
})
