// A person's minute: an order is looked for by its number, found, followed to its page, and understood there.
'use strict'

const { path, play, words } = require('./drive.cjs')

play(async ({ params, visitor }) => {
  const page = await visitor()
  await page.goto('/')
  await page.getByLabel('Find an event').fill(params.order)
  await page.keyboard.press('Enter')
  await page.waitForURL(/\/events[/?]/)
  // An order that has one event is its page at once; of several one chooses.
  if (params.several) {
    const rows = page.getByRole('main').locator('tbody tr')
    await rows.filter({ hasText: 'Order Completed' }).getByRole('link').click()
  }
  await page.waitForURL(/\/events\/\d+$/)

  const heading = page.getByRole('heading', { level: 1 })
  await page.getByRole('main').locator('.badge', { hasText: 'delivered' }).first().waitFor()
  const timeline = page.getByRole('region', { name: 'What happened' }).getByRole('listitem')
  return {
    path: path(page),
    heading: await words(heading),
    timeline: await timeline.allInnerTexts(),
    text: await words(page.getByRole('main')),
  }
})
