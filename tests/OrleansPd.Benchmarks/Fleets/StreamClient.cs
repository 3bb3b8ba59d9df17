using System.Diagnostics;
using System.Globalization;
using System.Net.Http.Headers;
using System.Text;

namespace OrleansPd.Benchmarks.Fleets;

/// <summary>What became of one request.</summary>
/// <param name="SentAt">When it was sent, since the client was made.</param>
/// <param name="FirstOutput">From then to the first bytes of the answer.</param>
/// <param name="Total">From then to its end.</param>
/// <param name="Problem">Null: a whole and good answer.</param>
internal readonly record struct Outcome(TimeSpan SentAt, TimeSpan FirstOutput, TimeSpan Total, string? Problem);

/// <summary>Asks for streams and says when their first output came, and whether they came to a good end.</summary>
internal sealed class StreamClient : IDisposable
{
    private const int KeptBytes = 2048;
    private readonly HttpClient _http;
    private readonly long _start = Stopwatch.GetTimestamp();

    public StreamClient(Uri gateway, int connections) => _http = new HttpClient(new SocketsHttpHandler
    {
        MaxConnectionsPerServer = connections,
        PooledConnectionIdleTimeout = TimeSpan.FromSeconds(3),
        UseProxy = false,
    })
    {
        BaseAddress = gateway,
        Timeout = TimeSpan.FromMinutes(10),
    };

    public static byte[] Body(ReadOnlySpan<int> prompt, int tokens)
    {
        var text = new StringBuilder(prompt.Length * 6).Append("{\"input_ids\":[");
        for (var i = 0; i < prompt.Length; i++)
            text.Append(CultureInfo.InvariantCulture, $"{(i == 0 ? "" : ",")}{prompt[i]}");
        text.Append(CultureInfo.InvariantCulture,
            $"],\"stream\":true,\"sampling_params\":{{\"max_new_tokens\":{tokens},\"ignore_eos\":true,\"temperature\":0}}}}");
        return Encoding.UTF8.GetBytes(text.ToString());
    }

    public TimeSpan Now => Stopwatch.GetElapsedTime(_start);

    public async Task<Outcome> AskAsync(byte[] body, CancellationToken cancellationToken)
    {
        var sent = Stopwatch.GetTimestamp();
        var sentAt = Now;
        TimeSpan? first = null;
        string? problem;
        try
        {
            using var content = new ByteArrayContent(body);
            content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
            using var request = new HttpRequestMessage(HttpMethod.Post, "/generate") { Content = content };
            using var response = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
            await using var stream = await response.Content.ReadAsStreamAsync(cancellationToken);
            var buffer = new byte[32 * 1024];
            var last = "";
            int read;
            while ((read = await stream.ReadAsync(buffer, cancellationToken)) > 0)
            {
                first ??= Stopwatch.GetElapsedTime(sent);
                last += Encoding.UTF8.GetString(buffer, Math.Max(0, read - KeptBytes), Math.Min(read, KeptBytes));
                last = last.Length > KeptBytes ? last[^KeptBytes..] : last;
            }
            problem = !response.IsSuccessStatusCode ? $"{(int)response.StatusCode} {last}"
                : !last.EndsWith("data: [DONE]\n\n", StringComparison.Ordinal) ? "the stream was cut off"
                : last.Contains("\"error\"", StringComparison.Ordinal) || last.Contains("\"abort\"", StringComparison.Ordinal)
                ? last
                : null;
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            problem = e.Message;
        }
        return new(sentAt, first ?? Stopwatch.GetElapsedTime(sent), Stopwatch.GetElapsedTime(sent), problem);
    }

    public void Dispose() => _http.Dispose();
}
