// A group of dead letters, as it is shown before anybody did anything about it.
'use strict'

const assert = require('node:assert/strict')
const { play, words } = require('./drive.cjs')

play(async ({ told, visitor }) => {
  const page = await visitor()
  await page.goto('/')
  await page.getByRole('link', { name: 'Dead letters' }).first().click()
  const groups = page.getByRole('main').locator('section.group')
  assert.equal(await groups.count(), 1, 'they died of one reason')
  const said = await words(groups)
  assert.match(said, new RegExp(`${told.count} events\\s*of ${told.count} people`))
  await groups.getByRole('link', { name: 'See them' }).click()
  await page.waitForURL(/\/events\?.*status=dead/)
  assert.equal(await page.getByRole('main').locator('tbody tr').count(), told.count)
  return { said }
})
