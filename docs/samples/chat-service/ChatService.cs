using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Hosting;
using OrleansPd.Client.Routing;

namespace OrleansPd.Samples;

/// <summary>
/// A service that uses the engines of a cluster. In its Program.cs:
/// <code>
/// builder.UseOrleansClient(client =&gt; client.UseRedisClustering("10.0.0.9:6379")
///     .Configure&lt;ClusterOptions&gt;(o =&gt; (o.ClusterId, o.ServiceId) = ("orleanspd", "orleanspd")));
/// builder.AddOrleansPdClient();
/// builder.Services.AddHostedService&lt;ChatService&gt;();
/// </code>
/// </summary>
public sealed class ChatService(PdClient engines, TextWriter output) : BackgroundService
{
    /// <summary>Straight from the engines: the cluster chooses the pair, this process talks to both, no gateway is in between.</summary>
    public async Task StreamAsync(string question, CancellationToken cancellationToken)
    {
        var answer = await engines.StreamAsync("/v1/chat/completions", Ask(question, stream: true), cancellationToken);
        await foreach (var events in answer.Chunks.WithCancellation(cancellationToken))
            await output.WriteAsync(Encoding.UTF8.GetString(events.Span));
    }

    /// <summary>Through a silo, for a service that cannot reach the engines: the answer comes in batches of chunks.</summary>
    public async Task<string> AskAsync(string question, CancellationToken cancellationToken)
    {
        var answer = await engines.DispatchAsync("/v1/chat/completions", Ask(question, stream: false), cancellationToken);
        var body = await answer.ReadAllAsync(cancellationToken);
        if (answer.Status != 200)
            throw new InvalidOperationException($"{answer.Status}: {Encoding.UTF8.GetString(body)}");
        using var json = JsonDocument.Parse(body);
        return json.RootElement.GetProperty("choices")[0].GetProperty("message").GetProperty("content").GetString()!;
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await StreamAsync("Why is the sky blue?", stoppingToken);
        await output.WriteLineAsync(await AskAsync("And the sea?", stoppingToken));
    }

    private static byte[] Ask(string question, bool stream) => JsonSerializer.SerializeToUtf8Bytes(new
    {
        model = "default",
        max_tokens = 16,
        stream,
        messages = new[] { new { role = "user", content = question } },
    });
}
