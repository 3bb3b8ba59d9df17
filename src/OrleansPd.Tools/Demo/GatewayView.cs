namespace OrleansPd.Tools.Demo;

/// <summary>Reads the state of a gateway over HTTP.</summary>
internal sealed class GatewayView(HttpClient http, Uri gateway, TimeProvider time)
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(25);
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(10);

    /// <summary>Waits until this many engines are ready.</summary>
    /// <exception cref="CommandFailedException">The time is over; the message has the gateway's reason.</exception>
    public async Task ReadyAsync(int engines, TimeSpan timeout, CancellationToken cancellationToken)
    {
        var start = time.GetTimestamp();
        while (true)
        {
            using var response = await http.GetAsync(new Uri(gateway, "/readiness"), cancellationToken);
            using var json = await ReadAsync(response, cancellationToken);
            var ready = json.RootElement.GetProperty("prefill").GetInt32() + json.RootElement.GetProperty("decode").GetInt32();
            if (response.IsSuccessStatusCode && ready == engines)
                return;

            if (time.GetElapsedTime(start) > timeout)
            {
                var why = json.RootElement.GetProperty("reason").GetString() ?? $"{ready} of {engines} engines are";
                throw new CommandFailedException($"the gateway is not ready after {timeout.TotalSeconds:0} s: {why}.");
            }

            await Task.Delay(Pause, time, cancellationToken);
        }
    }

    /// <summary>The gateway's decisions about a request, once both legs have ended.</summary>
    public async Task<RequestView> RequestAsync(string id, CancellationToken cancellationToken)
    {
        var start = time.GetTimestamp();
        while (true)
        {
            var view = await TryRequestAsync(id, cancellationToken);
            if (view is { Prefilled: not null, Decoded: not null })
                return view;

            if (time.GetElapsedTime(start) > Timeout)
            {
                throw new CommandFailedException(view is null
                    ? $"the gateway has no record of the request {id} that it answered."
                    : $"a leg of the request {id} has not ended.");
            }

            await Task.Delay(Pause, time, cancellationToken);
        }
    }

    public static double Metric(string page, string name) => page.Split('\n')
        .Where(line => line.StartsWith(name, StringComparison.Ordinal) && line.Length > name.Length
            && line[name.Length] is ' ' or '{')
        .Sum(line => double.Parse(line[(line.LastIndexOf(' ') + 1)..], CultureInfo.InvariantCulture));

    public Task<string> MetricsAsync(CancellationToken cancellationToken) =>
        http.GetStringAsync(new Uri(gateway, "/metrics"), cancellationToken);

    private async Task<RequestView?> TryRequestAsync(string id, CancellationToken cancellationToken)
    {
        using var response = await http.GetAsync(new Uri(gateway, $"/debug/requests/{id}"), cancellationToken);
        if (!response.IsSuccessStatusCode)
            return null;

        using var json = await ReadAsync(response, cancellationToken);
        var attempts = json.RootElement.GetProperty("calls")[0].GetProperty("attempts");
        if (attempts.GetArrayLength() == 0)
            throw new CommandFailedException($"the request {id} was refused.");

        var attempt = attempts[attempts.GetArrayLength() - 1];
        return new(
            attempt.GetProperty("prefill").GetString() ?? "", attempt.GetProperty("prefill_rank").GetInt32(),
            attempt.GetProperty("decode").GetString() ?? "", attempt.GetProperty("decode_rank").GetInt32(),
            attempt.GetProperty("rooms").EnumerateArray().FirstOrDefault() is { ValueKind: JsonValueKind.String } room
                ? room.GetString()!
                : "none",
            Time(attempt, "sent_after_ms"), Time(attempt, "prefill_ms"), Time(attempt, "first_output_ms"),
            Time(attempt, "decode_ms"));
    }

    private static async Task<JsonDocument> ReadAsync(HttpResponseMessage response, CancellationToken cancellationToken)
    {
        await using var body = await response.Content.ReadAsStreamAsync(cancellationToken);
        return await JsonDocument.ParseAsync(body, default, cancellationToken);
    }

    private static TimeSpan? Time(JsonElement attempt, string name) =>
        attempt.GetProperty(name) is { ValueKind: JsonValueKind.Number } number
            ? TimeSpan.FromMilliseconds(number.GetDouble())
            : null;
}

/// <summary>
/// A request as the gateway recorded it; times count from the moment both legs were sent, except <paramref name="Admitted"/>.
/// </summary>
internal sealed record RequestView(
    string Prefill, int PrefillRank, string Decode, int DecodeRank, string Room,
    TimeSpan? Admitted, TimeSpan? Prefilled, TimeSpan? FirstOutput, TimeSpan? Decoded);
