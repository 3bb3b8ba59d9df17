using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Microsoft.Extensions.Logging;

namespace OrleansPd.Server.CommandLine;

/// <summary>
/// A log event as one line of JSON: time, level, category, event, message, and each of the message's values by its name.
/// </summary>
internal static class JsonLine
{
    private static readonly JsonWriterOptions Options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static string Of(
        DateTimeOffset now, LogLevel level, string category, EventId id, string message, IReadOnlyList<KeyValuePair<string,
        object?>>? values,
        Exception? error)
    {
        using var output = new MemoryStream();
        using (var json = new Utf8JsonWriter(output, Options))
        {
            json.WriteStartObject();
            json.WriteString("time", now.ToString("yyyy-MM-ddTHH:mm:ss.fff'Z'", CultureInfo.InvariantCulture));
            json.WriteString("level", level.ToString().ToLowerInvariant());
            json.WriteString("category", category);
            json.WriteString("event", id.Name ?? id.Id.ToString(CultureInfo.InvariantCulture));
            json.WriteString("message", message);
            if (values is { Count: > 0 })
            {
                json.WriteStartObject("values");
                foreach (var (name, value) in values.DistinctBy(v => v.Key))
                {
                    if (name != "{OriginalFormat}")
                    {
                        json.WriteString(name, Convert.ToString(value, CultureInfo.InvariantCulture));
                    }
                }

                json.WriteEndObject();
            }

            if (Activity.Current is { } span)
            {
                json.WriteString("trace_id", span.TraceId.ToString());
            }

            if (error is not null)
            {
                json.WriteString("exception", error.ToString());
            }

            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(output.GetBuffer(), 0, (int)output.Length);
    }
}
