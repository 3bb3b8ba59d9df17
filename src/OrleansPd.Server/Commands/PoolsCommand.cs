using System.Text.Json.Nodes;

namespace OrleansPd.Server.Commands;

/// <summary><c>orleanspd pools</c>: present and target number of engines per role and model.</summary>
internal static class PoolsCommand
{
    private const string NoTarget = "none";
    private static readonly string[] Heads = ["POOL", "WANTED", "PRESENT", "READY", "DRAINING", "MISSING", "SURPLUS"];
    private static readonly string[] Members = ["pool", "wanted", "present", "ready", "draining", "missing", "surplus"];
    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true };

    public static Command Create(CommandContext context) =>
        new("pools", "List the pools of a running gateway and set their target sizes.") { List(
            context), Scale(context) };

    private static DocumentedCommand List(CommandContext context)
    {
        var gateway = new WorkersGatewayFlags();
        var json = new Option<bool>("--json") { Description = "Print the answer of the gateway as JSON." };
        var command = new DocumentedCommand("list", "List the pools. A pool is the engines of one role and model.")
        {
            Examples = ["orleanspd pools list", "orleanspd pools list --url http://10.0.0.9:30000 --json"],
        };
        command.Add("Gateway", gateway.All);
        command.Add("Output", json);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using var client = gateway.Client(parsed, context);
            var answer = await client.SendAsync(HttpMethod.Get, "/pools", null, cancellationToken);
            if (parsed.GetValue(json))
                await context.Out.WriteLineAsync(answer.ToJsonString(Indented));
            else
                Write(answer["pools"]!.AsArray(), context);
            return ExitCode.Success;
        });
        return command;
    }

    private static DocumentedCommand Scale(CommandContext context)
    {
        var gateway = new WorkersGatewayFlags();
        var role = new Argument<string>("ROLE") { Description = "prefill, decode or regular." };
        var size = new Argument<string>("WANTED")
        {
            Description = $"Target number of engines, 0-{PoolTarget.Max}; '{NoTarget}' removes the target.",
        };
        var model = new Option<string>("--model")
        {
            DefaultValueFactory = _ => PoolName.AnyModel,
            Description = "Model name given when its engines were added. Default '-': engines added without a name.",
            HelpName = "NAME",
        };
        var drain = new Option<bool>("--drain") { Description = "Drain the surplus engines now." };
        var command = new DocumentedCommand("scale",
            "Set the target number of engines of a pool. This is only a target: your autoscaler starts and stops engines.")
        {
            Examples = ["orleanspd pools scale decode 8", "orleanspd pools scale prefill 2 --model llama-70b --drain"],
        };
        command.Arguments.Add(role);
        command.Arguments.Add(size);
        command.Add("Pool", model);
        command.Add("Surplus", drain);
        command.Add("Gateway", gateway.All);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            if (!PoolName.TryParse($"{parsed.GetValue(role)}/{parsed.GetValue(model)}", out var pool))
            {
                throw new BadInputException(
                    $"ROLE: '{parsed.GetValue(role)}' is not prefill, decode or regular, or --model is empty.");
            }
            var target = new PoolTarget(pool, Wanted(parsed.GetValue(size)!), parsed.GetValue(drain));
            if (target.Problem is { } problem)
                throw new BadInputException(problem);
            using var client = gateway.Client(parsed, context);
            var path = $"/pools/{parsed.GetValue(role)}/{Uri.EscapeDataString(pool.Model ?? PoolName.AnyModel)}";
            var body = new JsonObject { ["wanted"] = target.TargetSize, ["drain_surplus"] = target.DrainSurplus };
            var answer = await client.SendAsync(HttpMethod.Put, path, body, cancellationToken);
            var drained = answer["drained"]!.AsArray().Count;
            await context.Out.WriteLineAsync(
                $"{answer["pool"]}: {Text(answer["wanted"])} wanted, {answer["present"]} present, {answer["ready"]} ready"
                + (drained > 0 ? $", {drained} drained now" : ""));
            return ExitCode.Success;
        });
        return command;
    }

    private static int? Wanted(string text) => text == NoTarget ? null
        : int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var wanted) ? wanted
        : throw new BadInputException($"WANTED: '{text}' is not a whole number from 0 to {PoolTarget.Max}, nor '{NoTarget}'.");

    private static void Write(JsonArray pools, CommandContext context)
    {
        if (pools.Count == 0)
        {
            context.Out.WriteLine("no pools; a pool begins with its first engine, or with 'orleanspd pools scale ROLE WANTED'");
            return;
        }
        string[][] rows = [Heads, .. pools.Select(pool => Members.Select(member => Text(pool![member])).ToArray())];
        var widths = Heads.Select((_, i) => rows.Max(row => row[i].Length)).ToArray();
        foreach (var row in rows)
            context.Out.WriteLine(string.Join("  ", row.Select((cell, i) => cell.PadRight(widths[i]))).TrimEnd());
    }

    private static string Text(JsonNode? value) => value?.ToString() ?? NoTarget;
}
