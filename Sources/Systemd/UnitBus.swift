import CSystemd
import Glibc

/// One connection to the service manager over the system bus (sd-bus(3)), for one thread: its calls block until they are answered.
package final class UnitBus {
    private let bus: OpaquePointer

    private static let destination = "org.freedesktop.systemd1"
    private static let path = "/org/freedesktop/systemd1"
    private static let manager = "org.freedesktop.systemd1.Manager"
    /// How long it waits for an answer, and between two looks at a unit of which nothing is heard. In microseconds.
    private static let patience: UInt64 = 30_000_000
    private static let pause: UInt64 = 5_000_000

    package init() throws(UnitError) {
        var opened: OpaquePointer?
        try Self.check(sd_bus_open_system(&opened), "the system bus cannot be reached")
        guard let opened else { throw UnitError(name: "", sentence: "the system bus cannot be reached") }
        bus = opened
    }

    deinit { sd_bus_flush_close_unref(bus) }

    // MARK: Units

    /// Has the unit started; its program may fail to begin later, which ``state(of:)`` shows.
    ///
    /// - Throws: ``UnitError``, also when one of the name is there.
    package func start(_ unit: TransientUnit) throws(UnitError) {
        let call = try method("StartTransientUnit")
        defer { sd_bus_message_unref(call) }
        try append(unit.name, to: call)
        try append("fail", to: call)
        try container("a", "(sv)", in: call) { () throws(UnitError) in
            for property in unit.properties { try append(property.name, property.value, to: call) }
        }
        try container("a", "(sa(sv))", in: call) { () throws(UnitError) in }
        _ = try self.call(call) { _ in }
    }

    /// What is known of it; nil: nothing.
    package func state(of unit: String) throws(UnitError) -> UnitState? {
        guard let path = try path(of: unit) else { return nil }
        do {
            return try state(at: path)
        } catch  where error.isNotThere {
            return nil
        }
    }

    private func state(at path: String) throws(UnitError) -> UnitState {
        let (basic, service) = ("org.freedesktop.systemd1.Unit", "org.freedesktop.systemd1.Service")
        // First: it may begin while the rest is asked for, and must not look then as if it had ended.
        let hasBegun = try number("InactiveExitTimestampMonotonic", "t", basic, path, UInt64(0)) > 0
        return UnitState(
            active: try text("ActiveState", basic, path), sub: try text("SubState", basic, path), result: try text("Result", service, path),
            code: try number("ExecMainCode", "i", service, path, Int32(0)),
            status: try number("ExecMainStatus", "i", service, path, Int32(0)),
            processorTime: try number("CPUUsageNSec", "t", service, path, UInt64.max).known,
            memoryLimit: try number("MemoryMax", "t", service, path, UInt64.max).known,
            hasBegun: hasBegun)
    }

    /// Waits until its program has ended.
    ///
    /// - Parameter isWanted: asked every few seconds; where nobody wants to know any more, the wait is over.
    /// - Returns: nil when nothing is known of it, or nobody wants to know.
    package func wait(for unit: String, while isWanted: () -> Bool) throws(UnitError) -> UnitState? {
        // Without a subscriber the manager tells nobody that something has changed.
        let subscribe = try method("Subscribe")
        defer { sd_bus_message_unref(subscribe) }
        _ = try call(subscribe) { _ in }
        guard let path = try path(of: unit) else { return nil }
        var slot: OpaquePointer?
        let heard: sd_bus_message_handler_t = { _, _, _ in 0 }
        let result = sd_bus_match_signal(
            bus, &slot, Self.destination, path, "org.freedesktop.DBus.Properties", "PropertiesChanged", heard, nil)
        try Self.check(result, "changes of \(unit) cannot be heard")
        defer { sd_bus_slot_unref(slot) }
        while isWanted() {
            guard let state = try state(of: unit) else { return nil }
            if state.hasEnded { return state }
            // What came while it was looked at is worth another look, and so is a while in which nothing came: a signal may be lost.
            var processed = sd_bus_process(bus, nil)
            if processed == 0 {
                try Self.check(sd_bus_wait(bus, Self.pause), "the system bus cannot be waited for")
                processed = sd_bus_process(bus, nil)
            }
            try Self.check(processed, "the system bus is gone")
        }
        return nil
    }

    /// Ends all its processes; nothing happens when it is not there.
    package func stop(_ unit: String) throws(UnitError) {
        do {
            try simple("StopUnit", unit, "replace")
        } catch  where error.isNotThere {
        }
    }

    /// Has the manager forget a unit whose program has ended. What it said of it is gone then.
    package func remove(_ unit: String) throws(UnitError) {
        try stop(unit)
        do {
            try simple("ResetFailedUnit", unit)
        } catch  where error.isNotThere {
        }
    }

    // MARK: Messages

    private func method(_ name: String) throws(UnitError) -> OpaquePointer {
        var message: OpaquePointer?
        try Self.check(
            sd_bus_message_new_method_call(bus, &message, Self.destination, Self.path, Self.manager, name), "\(name) cannot be called")
        guard let message else { throw UnitError(name: "", sentence: "\(name) cannot be called") }
        return message
    }

    private func simple(_ name: String, _ arguments: String...) throws(UnitError) {
        let message = try method(name)
        defer { sd_bus_message_unref(message) }
        for argument in arguments { try append(argument, to: message) }
        _ = try call(message) { _ in }
    }

    private func call<Value>(_ message: OpaquePointer, _ read: (OpaquePointer) -> Value?) throws(UnitError) -> Value? {
        var error = sd_bus_error()
        var reply: OpaquePointer?
        let result = sd_bus_call(bus, message, Self.patience, &error, &reply)
        defer {
            sd_bus_error_free(&error)
            sd_bus_message_unref(reply)
        }
        guard result >= 0, let reply else { throw UnitError(error, -result) }
        return read(reply)
    }

    private func path(of unit: String) throws(UnitError) -> String? {
        let message = try method("GetUnit")
        defer { sd_bus_message_unref(message) }
        try append(unit, to: message)
        do {
            return try call(message) { reply in
                var path: UnsafePointer<CChar>?
                guard sd_bus_message_read_basic(reply, CChar(UInt8(ascii: "o")), &path) > 0 else { return nil }
                return path.map { String(cString: $0) }
            }
        } catch  where error.isNotThere {
            return nil
        }
    }

    private func text(_ name: String, _ interface: String, _ path: String) throws(UnitError) -> String {
        var error = sd_bus_error()
        defer { sd_bus_error_free(&error) }
        var text: UnsafeMutablePointer<CChar>?
        let result = sd_bus_get_property_string(bus, Self.destination, path, interface, name, &error, &text)
        guard result >= 0, let text else { throw UnitError(error, -result) }
        defer { free(text) }
        return String(cString: text)
    }

    private func number<Number: FixedWidthInteger>(
        _ name: String, _ type: Unicode.Scalar, _ interface: String, _ path: String, _ start: Number
    ) throws(UnitError) -> Number {
        var error = sd_bus_error()
        defer { sd_bus_error_free(&error) }
        var number = start
        let result = sd_bus_get_property_trivial(
            bus, Self.destination, path, interface, name, &error, CChar(UInt8(ascii: type)), &number)
        guard result >= 0 else { throw UnitError(error, -result) }
        return number
    }

    // MARK: Values

    private func append(_ name: String, _ value: TransientUnit.Value, to message: OpaquePointer) throws(UnitError) {
        try container("r", "sv", in: message) { () throws(UnitError) in
            try append(name, to: message)
            try container("v", value.signature, in: message) { () throws(UnitError) in try append(value, to: message) }
        }
    }

    private func append(_ value: TransientUnit.Value, to message: OpaquePointer) throws(UnitError) {
        switch value {
        case .text(let text): try append(text, to: message)
        case .flag(let flag): try basic("b", CInt(flag ? 1 : 0), to: message)
        case .number(let number): try basic("t", number, to: message)
        case .count(let number): try basic("u", number, to: message)
        case .descriptor(let descriptor): try basic("h", descriptor, to: message)
        case .list(let texts):
            try container("a", "s", in: message) { () throws(UnitError) in for text in texts { try append(text, to: message) } }
        case .emptied(let paths):
            try container("a", "(ss)", in: message) { () throws(UnitError) in
                for path in paths {
                    try container("r", "ss", in: message) { () throws(UnitError) in
                        try append(path, to: message)
                        try append("ro,mode=0755", to: message)
                    }
                }
            }
        case .bound(let paths):
            try container("a", "(ssbt)", in: message) { () throws(UnitError) in
                for path in paths {
                    try container("r", "ssbt", in: message) { () throws(UnitError) in
                        for end in [path, path] { try append(end, to: message) }
                        // Passed over when it is not there; with what is mounted below it (MS_REC of mount(2)).
                        try basic("b", CInt(1), to: message)
                        try basic("t", UInt64(0x4000), to: message)
                    }
                }
            }
        case .program(let words):
            try container("a", "(sasb)", in: message) { () throws(UnitError) in
                try container("r", "sasb", in: message) { () throws(UnitError) in
                    try append(words[0], to: message)
                    try container("a", "s", in: message) { () throws(UnitError) in for word in words { try append(word, to: message) } }
                    // Not ignored: a program that fails has failed.
                    try basic("b", CInt(0), to: message)
                }
            }
        }
    }

    private func append(_ text: String, to message: OpaquePointer) throws(UnitError) {
        let result = text.withCString { sd_bus_message_append_basic(message, CChar(UInt8(ascii: "s")), $0) }
        try Self.check(result, "a message cannot be written")
    }

    private func basic<Value>(_ type: Unicode.Scalar, _ value: Value, to message: OpaquePointer) throws(UnitError) {
        let result = withUnsafePointer(to: value) { sd_bus_message_append_basic(message, CChar(UInt8(ascii: type)), $0) }
        try Self.check(result, "a message cannot be written")
    }

    private func container(
        _ type: Unicode.Scalar, _ contents: String, in message: OpaquePointer, _ fill: () throws(UnitError) -> Void
    ) throws(UnitError) {
        try Self.check(sd_bus_message_open_container(message, CChar(UInt8(ascii: type)), contents), "a message cannot be written")
        try fill()
        try Self.check(sd_bus_message_close_container(message), "a message cannot be written")
    }

    private static func check(_ result: CInt, _ sentence: String) throws(UnitError) {
        guard result >= 0 else { throw UnitError(name: "", sentence: "\(sentence): \(String(cString: strerror(-result)))") }
    }
}

/// Why the service manager did not do what it was asked.
package struct UnitError: Error, Equatable, CustomStringConvertible {
    /// Of the error on the bus, such as `org.freedesktop.systemd1.NoSuchUnit`; empty where there was none.
    package let name: String
    package let sentence: String

    package var description: String { sentence }

    /// Whether the manager has said no, and would say it again; otherwise nobody knows what it did.
    package var isFinal: Bool {
        name.hasPrefix("org.freedesktop.systemd1.")
            || ["InvalidArgs", "AccessDenied", "PropertyReadOnly", "UnknownProperty", "UnixProcessIdUnknown"]
                .contains { name == "org.freedesktop.DBus.Error." + $0 }
    }
    /// Also of one that went while it was being asked for.
    fileprivate var isNotThere: Bool {
        ["org.freedesktop.systemd1.NoSuchUnit", "org.freedesktop.DBus.Error.UnknownObject"].contains(name)
    }

    init(name: String, sentence: String) {
        self.name = name
        self.sentence = sentence
    }

    init(_ error: sd_bus_error, _ number: CInt) {
        name = error.name.map { String(cString: $0) } ?? ""
        sentence = error.message.map { String(cString: $0) } ?? String(cString: strerror(number))
    }
}

extension TransientUnit.Value {
    /// As D-Bus writes types.
    fileprivate var signature: String {
        switch self {
        case .text: "s"
        case .flag: "b"
        case .number: "t"
        case .count: "u"
        case .list: "as"
        case .emptied: "a(ss)"
        case .bound: "a(ssbt)"
        case .program: "a(sasb)"
        case .descriptor: "h"
        }
    }
}

extension UInt64 {
    /// The manager says "not known" by the largest number there is.
    fileprivate var known: UInt64? { self == .max ? nil : self }
}
