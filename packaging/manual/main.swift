import Foundation

// `bittern --experimental-dump-help | manual FRAME` prints bittern(1), whose frame is the file FRAME.

/// Why there is no page: a sentence for whoever builds it.
struct ManualError: Error {
    let sentence: String

    init(_ sentence: String) {
        self.sentence = sentence
    }
}

/// The page for what stands on standard input.
func page(framedBy arguments: some Collection<String>) throws -> String {
    guard let frame = arguments.first, arguments.count == 1 else {
        throw ManualError("name the frame of the page, as in: bittern --experimental-dump-help | manual packaging/man/bittern.1")
    }
    let help = try Help(json: try FileHandle.standardInput.readToEnd() ?? Data())
    let text: String
    do {
        text = try String(contentsOfFile: frame, encoding: .utf8)
    } catch {
        throw ManualError("\(frame) cannot be read: \(error.localizedDescription)")
    }
    return try ManualPage(help: help, frame: text).text()
}

do {
    print(try page(framedBy: CommandLine.arguments.dropFirst()), terminator: "")
} catch {
    let sentence = (error as? ManualError)?.sentence ?? "standard input cannot be read: \(error)"
    FileHandle.standardError.write(Data("manual: \(sentence)\n".utf8))
    exit(1)
}
