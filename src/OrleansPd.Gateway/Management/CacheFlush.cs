using System.Globalization;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http;
using OrleansPd.Core;
using OrleansPd.Core.Admin;
using OrleansPd.Core.Fleet;
using OrleansPd.Engines.Sse;
using OrleansPd.Engines.Upstream;

namespace OrleansPd.Gateway.Management;

/// <summary>
/// <c>/flush_cache</c> to all engines at the same time. An engine that is not idle refuses, unless <c>?timeout=</c> lets it wait
/// (protocol §1.7). 200: all did; 206: some; 400: none, because they are busy; 502: none, for other reasons.
/// </summary>
internal sealed class CacheFlush(IControlPlane controlPlane, IFleetAdmin admin, IUpstream upstream, TimeProvider clock)
{
    private const int MaxAnswer = 4096;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    public async Task FlushAsync(HttpContext context)
    {
        var given = context.Request.Query["timeout"].ToString();
        var wait = 0.0;
        if (given.Length > 0 && (!double.TryParse(given, NumberStyles.Float, CultureInfo.InvariantCulture, out wait) || wait is not (>= 0 and <= 3600)))
        {
            await ManagementJson.RefuseAsync(context, 400, "BAD_REQUEST", "'timeout' must be seconds, 0 to 3600.").ConfigureAwait(false);
            return;
        }
        var workers = controlPlane.Fleet.Workers;
        var path = given.Length > 0 ? string.Create(CultureInfo.InvariantCulture, $"/flush_cache?timeout={wait}") : "/flush_cache";
        var results = await Task.WhenAll(workers.Select(w => OneAsync(w, path, Patience + TimeSpan.FromSeconds(wait), context.RequestAborted)))
            .ConfigureAwait(false);
        var failed = results.Where(r => r.Problem is not null).ToArray();
        var status = (workers.Length, failed.Length) switch
        {
            (0, _) => 503,
            (_, 0) => 200,
            var (all, bad) when bad < all => 206,
            _ => failed.All(r => r.Status == 400) ? 400 : 502,
        };
        await ManagementJson.WriteAsync(context, status, new JsonObject
        {
            ["successful"] = new JsonArray([.. results.Where(r => r.Problem is null).Select(r => (JsonNode)r.Url)]),
            ["failed"] = new JsonArray([.. failed.Select(r => (JsonNode)new JsonArray(r.Url, r.Problem))]),
            ["total_workers"] = workers.Length,
            ["http_workers"] = workers.Length,
            ["message"] = workers.Length == 0 ? "No worker is registered."
                : $"{workers.Length - failed.Length} of {workers.Length} workers have flushed their caches.",
        }).ConfigureAwait(false);
    }

    private async Task<FlushResult> OneAsync(WorkerSnapshot worker, string path, TimeSpan patience, CancellationToken cancellationToken)
    {
        var url = worker.Url.GetLeftPart(UriPartial.Authority);
        using var timer = new CancellationTokenSource(patience, clock);
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, timer.Token);
        try
        {
            await using var response = await upstream.SendAsync(
                new UpstreamRequest
                {
                    Engine = worker.Url,
                    Path = path,
                    Method = "POST",
                    Authorization = worker.ApiKey is { } key ? "Bearer " + key : null,
                },
                limit.Token).ConfigureAwait(false);
            var text = new byte[MaxAnswer];
            var length = 0;
            int read;
            while (length < MaxAnswer && (read = await response.ReadAsync(text.AsMemory(length), limit.Token).ConfigureAwait(false)) > 0)
            {
                length += read;
            }
            if (response.Status != 200)
            {
                var said = ErrorBody.Extract(text.AsSpan(0, length)).Trim();
                said = worker.ApiKey is { Length: > 0 } secret ? said.Replace(secret, "***", StringComparison.Ordinal) : said;
                return new(url, response.Status, $"{response.Status}: {said}");
            }
            await admin.CachesFlushedAsync(worker.Id, cancellationToken).ConfigureAwait(false);
            return new(url, 200, null);
        }
        catch (UpstreamException e)
        {
            return new(url, 0, e.Message);
        }
        catch (OperationCanceledException) when (timer.IsCancellationRequested)
        {
            return new(url, 0, "no answer in time");
        }
    }

    private readonly record struct FlushResult(string Url, int Status, string? Problem);
}
