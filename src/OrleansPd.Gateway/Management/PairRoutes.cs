using System.Globalization;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using OrleansPd.Core.Requests;
using OrleansPd.Core.States;
using OrleansPd.Engines.Attempts;
using OrleansPd.Gateway.Generation;
using OrleansPd.Gateway.Options;
using OrleansPd.Gateway.Wire;

namespace OrleansPd.Gateway.Management;

/// <summary>
/// <c>POST /route_pd</c>: a pair and its bootstrap triplet for a caller that sends to the engines itself, as trainers do (the
/// shape is AReaL's, its pull request 1364). The pair is held under a lease that runs out: by then the engines' own figures show
/// the request, and a caller that died has given its place back. <c>DELETE /route_pd/{lease_id}</c> gives it back sooner.
/// </summary>
internal sealed class PairRoutes(IControlPlane controlPlane, ModelNames models, GatewayOptions options, TimeProvider clock)
    : IDisposable
{
    private const int MaxBody = 1 << 20;
    private readonly Dictionary<string, Held> _held = new(StringComparer.Ordinal);
    private readonly Lock _gate = new();
    private bool _closed;

    /// <summary>
    /// Below the time after which a pair without progress looks wedged: nobody tells us of the progress of these.
    /// </summary>
    private int LongestLease => Math.Max(1, options.ControlPlane.StallSuspectSecs - 5);

    /// <summary>Pairs that callers hold.</summary>
    public int Open
    {
        get
        {
            lock (_gate)
            {
                return _held.Count;
            }
        }
    }

    public void Map(IEndpointRouteBuilder routes, AdminAuthentication gate)
    {
        routes.MapPost("/route_pd", gate.Guard(RouteAsync));
        routes.MapDelete("/route_pd/{lease}", gate.Guard(ReleaseAsync));
    }

    public void Dispose()
    {
        Held[] left;
        lock (_gate)
        {
            _closed = true;
            left = [.. _held.Values];
            _held.Clear();
        }
        foreach (var held in left)
        {
            End(held, LegOutcome.Neutral, LegOutcome.Neutral);
        }
    }

    private async Task RouteAsync(HttpContext context)
    {
        using var body = await BodyReader.ReadAsync(context.Request, MaxBody, context.RequestAborted);
        string? problem = "The body is too large.";
        if (body is null || RoutePairRequest.Read(body.Memory, options.MaxBatch, LongestLease, out problem) is not { } wish)
        {
            await RefuseAsync(context, 400, "bad_request", problem!);
            return;
        }
        if (!models.TryFind(wish.Pair.Model, out var found, out var unknown))
        {
            await RefuseAsync(context, unknown!.Status, unknown.Code, unknown.Message);
            return;
        }
        var pair = wish.Pair with { Model = found.Model, Adapters = found.Adapter ?? wish.Pair.Adapters };
        var grant = await controlPlane.AcquireAsync(pair, context.RequestAborted);
        if (grant.Lease is not { } lease)
        {
            var error = AnswerError.Of(grant.Refusal!);
            if (error.RetryAfter is { } wait)
            {
                context.Response.Headers.RetryAfter = Math.Max(1, (long)Math.Ceiling(wait.TotalSeconds))
                    .ToString(CultureInfo.InvariantCulture);
            }
            await RefuseAsync(context, error.Status, error.Code, error.Message);
            return;
        }
        if (lease.IsRegular)
        {
            controlPlane.LegEnded(lease, LegSide.Decode, LegOutcome.Neutral);
            await RefuseAsync(context, 503, "no_pair", "This model is served by engines that do both; there is no pair to give.");
            return;
        }
        var id = lease.Id.ToString("x", CultureInfo.InvariantCulture);
        if (!Hold(id, lease, wish.Lease))
        {
            await RefuseAsync(context, 503, "shutting_down", "The gateway is stopping.");
            return;
        }
        await ManagementJson.WriteAsync(context, 200, Answer(id, lease, wish));
    }

    private async Task ReleaseAsync(HttpContext context)
    {
        var (prefill, decode) = context.Request.Query["outcome"].ToString() switch
        {
            "" => (LegOutcome.Neutral, LegOutcome.Neutral),
            "ok" => (LegOutcome.Succeeded, LegOutcome.Succeeded),
            "prefill_failed" => (LegOutcome.Failed, LegOutcome.Neutral),
            "decode_failed" => (LegOutcome.Neutral, LegOutcome.Failed),
            _ => ((LegOutcome)(-1), LegOutcome.Neutral),
        };
        if ((int)prefill == -1)
        {
            await RefuseAsync(context, 400, "bad_request", "'outcome' must be ok, prefill_failed or decode_failed.");
            return;
        }
        var id = (string)context.Request.RouteValues["lease"]!;
        if (!End(id, prefill, decode))
        {
            await RefuseAsync(context, 404, "no_such_lease", "No pair is held under that lease; it may have run out.");
            return;
        }
        await ManagementJson.WriteAsync(context, 200, new JsonObject { ["status"] = "ok", ["lease_id"] = id });
    }

    private bool Hold(string id, PairLease lease, TimeSpan life)
    {
        var held = new Held(lease);
        lock (_gate)
        {
            if (!_closed)
            {
                _held.Add(id, held);
                held.Timer = clock.CreateTimer(
                    _ => End(id, LegOutcome.Neutral, LegOutcome.Neutral), null, life, Timeout.InfiniteTimeSpan);
                return true;
            }
        }
        End(held, LegOutcome.Neutral, LegOutcome.Neutral);
        return false;
    }

    private bool End(string id, LegOutcome prefill, LegOutcome decode)
    {
        Held? held;
        lock (_gate)
        {
            if (!_held.Remove(id, out held))
            {
                return false;
            }
        }
        End(held, prefill, decode);
        return true;
    }

    private void End(Held held, LegOutcome prefill, LegOutcome decode)
    {
        held.Timer?.Dispose();
        controlPlane.LegEnded(held.Lease, LegSide.Prefill, prefill);
        controlPlane.LegEnded(held.Lease, LegSide.Decode, decode);
    }

    private static JsonObject Answer(string id, PairLease lease, RoutePairRequest wish) => new()
    {
        ["prefill_addr"] = lease.Prefill!.Url.GetLeftPart(UriPartial.Authority),
        ["decode_addr"] = lease.Decode.Url.GetLeftPart(UriPartial.Authority),
        ["bootstrap_host"] = lease.DecodeTarget.BootstrapHost,
        ["bootstrap_port"] = lease.DecodeTarget.BootstrapPort,
        ["bootstrap_room"] = lease.Room,
        ["bootstrap_rooms"] = new JsonArray([.. lease.Rooms.ToArray().Select(room => (JsonNode)room)]),
        ["lease_id"] = id,
        ["expires_in_secs"] = (int)wish.Lease.TotalSeconds,
        // For callers that add more than the triplet: what we ourselves would put into each leg.
        ["prefill_members"] = Members(lease.PrefillTarget),
        ["decode_members"] = Members(lease.DecodeTarget),
    };

    private static JsonObject Members(LegTarget target)
    {
        var members = new JsonObject { ["bootstrap_host"] = target.BootstrapHost, ["bootstrap_port"] = target.BootstrapPort };
        if (target.RoutedDpRank is { } own)
        {
            members["routed_dp_rank"] = own;
        }
        if (target.DisaggPrefillDpRank is { } partner)
        {
            members["disagg_prefill_dp_rank"] = partner;
        }
        return members;
    }

    /// <summary><c>detail</c> is where AReaL's gateway looks for the words.</summary>
    private static Task RefuseAsync(HttpContext context, int status, string code, string message) => ManagementJson.WriteAsync(
        context, status, new JsonObject { ["error"] = message, ["code"] = code, ["detail"] = message });

    private sealed class Held(PairLease lease)
    {
        public PairLease Lease { get; } = lease;

        public ITimer? Timer { get; set; }
    }
}
