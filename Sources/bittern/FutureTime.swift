import Domain
import Glibc

/// A moment to come, as people write it.
enum FutureTime {
    /// `2h`, `Mon 08:00` in the caller's zone, or RFC 3339; nil for anything else.
    static func read(_ text: String, now: Timestamp) -> Timestamp? {
        DurationText.duration(text).map { now.advanced(by: $0) } ?? weekday(text, now: now) ?? Timestamp(anyRFC3339: text)
    }

    /// The next such moment, today's if it is still to come.
    private static func weekday(_ text: String, now: Timestamp) -> Timestamp? {
        let words = text.split(separator: " ")
        let days = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"]
        guard words.count == 2, let (hour, minute) = clock(words[1]) else { return nil }
        let name = words[0].lowercased()
        guard let day = days.firstIndex(where: { $0 == name || $0.prefix(3) == name }) else { return nil }
        var seconds = time_t(now.milliseconds / 1000)
        var today = tm()
        localtime_r(&seconds, &today)
        for ahead in 0...7 where (Int(today.tm_wday) + ahead) % 7 == day {
            var parts = today
            parts.tm_mday += Int32(ahead)
            (parts.tm_hour, parts.tm_min, parts.tm_sec, parts.tm_isdst) = (hour, minute, 0, -1)
            let moment = Timestamp(milliseconds: Int64(mktime(&parts)) * 1000)
            if moment > now { return moment }
        }
        return nil
    }

    private static func clock(_ text: Substring) -> (hour: Int32, minute: Int32)? {
        let parts = text.split(separator: ":").map { Int32($0) }
        guard parts.count == 2, let hour = parts[0], let minute = parts[1], (0...23).contains(hour), (0...59).contains(minute) else {
            return nil
        }
        return (hour, minute)
    }
}
