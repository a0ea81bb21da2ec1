import Foundation

/// Who runs the tests, as the daemon names whoever asks it for something.
let user = NSUserName()
