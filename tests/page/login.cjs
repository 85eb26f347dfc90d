// Logging in with the token, being where one wanted to be, and out again.
'use strict'

const assert = require('node:assert/strict')
const { logIn, path, play, words } = require('./drive.cjs')

const WANTED = '/?from=a%20colleague'

play(async ({ told, watch, visitor }) => {
  const page = await visitor()
  await page.goto(WANTED)
  assert.match(path(page), /^\/login\?/, 'nobody gets in without a token')
  await logIn(page, 'this-is-not-the-token')
  assert.match(await words(page.getByRole('alert')), /not the token/)
  watch.forgive(/401/)
  assert.deepEqual(await page.context().cookies(), [], 'a wrong token begins nothing')
  await logIn(page, told.token)
  await page.waitForURL(WANTED)

  const [cookie, ...others] = await page.context().cookies()
  assert.deepEqual(others, [])
  const { httpOnly, sameSite, path: below } = cookie
  assert.deepEqual({ httpOnly, sameSite, below }, { httpOnly: true, sameSite: 'Strict', below: '/' })
  assert.equal(await page.evaluate(() => document.cookie), '', 'no script reads it')
  assert.ok(!cookie.value.includes(told.token))

  await page.getByRole('button', { name: 'Log out' }).click()
  await page.waitForURL('/login')
  assert.deepEqual(await page.context().cookies(), [])
  await page.goto('/')
  assert.match(path(page), /^\/login\?/, 'whoever logged out is out')
})
