/// The hook secret of every account in these tests.
let hookSecret = "correct-horse-battery-staple"

/// A commit nobody has: the same digit forty times.
func sha(_ digit: Character) -> String { String(repeating: digit, count: 40) }
