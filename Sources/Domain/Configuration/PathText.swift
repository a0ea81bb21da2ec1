/// Paths as text. Nothing here looks at a disk, so `..` takes away the name before it even where that is a symbolic link.
enum PathText {
    /// `path`, taken from `directory` (absolute) unless it is absolute itself, without `.`, `..`, doubled or final slashes.
    static func absolute(_ path: String, in directory: String) -> String {
        let whole = path.hasPrefix("/") ? path : directory + "/" + path
        var names: [Substring] = []
        for name in whole.split(separator: "/") where name != "." {
            if name == ".." {
                _ = names.popLast()
            } else {
                names.append(name)
            }
        }
        return "/" + names.joined(separator: "/")
    }

    /// Whether `path` is `directory` or lies below it; both absolute and without needless parts.
    static func isInside(_ path: String, _ directory: String) -> Bool {
        path == directory || path.hasPrefix(directory == "/" ? "/" : directory + "/")
    }

    /// What the kernel takes as the address of a socket; the last byte of its 108 ends the text.
    static let socketLimit = 107
}
