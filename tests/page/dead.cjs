// A group of dead letters, as it is shown before anybody did anything about it.
'use strict'

const { play } = require('./drive.cjs')

play(async ({ visitor }) => {
  const page = await visitor()
  await page.goto('/')
  await page.getByRole('link', { name: 'Dead letters' }).first().click()
  const groups = page.getByRole('main').locator('section.group')
  await groups.first().waitFor()
  const texts = (await groups.allInnerTexts()).map((text) => text.replace(/\s+/g, ' ').trim())
  await groups.first().getByRole('link', { name: 'See them' }).click()
  await page.waitForURL(/\/events\?.*status=dead/)
  return { groups: texts, rows: await page.getByRole('main').locator('tbody tr').count() }
})
