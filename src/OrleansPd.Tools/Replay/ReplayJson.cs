using System.Text.Json.Serialization;

namespace OrleansPd.Tools.Replay;

/// <summary>Writes a report for programs: times in milliseconds, names in snake case.</summary>
internal static class ReplayJson
{
    private static readonly JsonSerializerOptions Options = new()
    {
        Converters = { new Milliseconds() },
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        WriteIndented = true,
    };

    public static async Task WriteAsync(ReplayReport report, string path, CancellationToken cancellationToken)
    {
        await using var file = File.Create(path);
        await JsonSerializer.SerializeAsync(file, Named(report), Options, cancellationToken);
    }

    private static object Named(ReplayReport report) => new
    {
        report.Trace,
        report.Url,
        report.Endpoint,
        report.Stream,
        report.Interrupted,
        ElapsedMs = report.Elapsed,
        report.Requests,
        report.Succeeded,
        report.Failed,
        report.Failures,
        report.InputTokens,
        report.OutputTokens,
        report.RequestsPerSecond,
        report.OutputTokensPerSecond,
        TtftMs = report.FirstOutput,
        ItlMs = report.BetweenTokens,
        E2eMs = report.Total,
        StartLagMs = report.Lag,
    };

    private sealed class Milliseconds : JsonConverter<TimeSpan>
    {
        public override TimeSpan Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
            TimeSpan.FromMilliseconds(reader.GetDouble());

        public override void Write(Utf8JsonWriter writer, TimeSpan value, JsonSerializerOptions options) =>
            writer.WriteNumberValue(value.TotalMilliseconds);
    }
}
