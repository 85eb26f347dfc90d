// What the Node and browser clients share: the words they exchange with the test, one to a line.
//
// Arguments: the daemon's address, the write key, how many people there are. The test writes how many numbered events
// may have been handed to the SDK by now. Where stdin ends, the client closes the SDK as its user would, prints what
// it believes of its events, and ends: {"library", "version", "made": {type: count}, "failed": [why, …]}.
'use strict'

const readline = require('node:readline')

const { stdin, stdout } = process
const [address, writeKey, people, ...rest] = process.argv.slice(2)

/** Each line of the test, as it comes. */
function lines() {
  return readline.createInterface({ input: stdin })
}

/** Follows the test's numbers; `hand(from, to)` gives the SDK the events numbered from + 1 to `to`. */
async function follow(hand) {
  let handed = 0
  for await (const line of lines()) {
    await hand(handed, Number(line))
    handed = Number(line)
  }
}

/** Reports to the test. */
function say(words) {
  stdout.write(`${JSON.stringify(words)}\n`)
}

/** A mistake of a client fails its test, with its text. */
function run(main) {
  main().catch((error) => {
    console.error(error)
    process.exit(1)
  })
}

module.exports = { address, writeKey, people: Number(people), rest, lines, follow, say, run }
