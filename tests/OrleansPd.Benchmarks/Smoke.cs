using System.Diagnostics;
using System.Reflection;
using BenchmarkDotNet.Attributes;

namespace OrleansPd.Benchmarks;

/// <summary>
/// Runs the body of every benchmark a few times with every value of its parameters, without measuring: so that benchmarks do not
/// rot. Any exception is a failure.
/// </summary>
internal static class Smoke
{
    private const int Calls = 3;

    public static int Run(string[] arguments)
    {
        var filter = arguments is [var only, ..] ? only.Trim('*') : "";
        var (cases, failures) = (0, 0);
        var clock = Stopwatch.StartNew();
        foreach (var type in typeof(Smoke).Assembly.GetTypes().Where(t => t is { IsClass: true, IsAbstract: false })
            .OrderBy(t => t.Name))
        {
            var bodies = With<BenchmarkAttribute>(type);
            if (bodies.Length == 0 || !type.Name.Contains(filter, StringComparison.OrdinalIgnoreCase))
                continue;
            foreach (var values in Combinations(Parameters(type)))
            {
                var what = $"{type.Name}({string.Join(", ", values.Select(v => $"{v.Member.Name}={v.Value}"))})";
                try
                {
                    Run(type, values, bodies);
                    cases += bodies.Length;
                }
                catch (Exception e)
                {
                    failures++;
                    Console.Error.WriteLine($"{what}: {(e as TargetInvocationException)?.InnerException ?? e}");
                }
            }
        }
        Console.WriteLine($"{cases} benchmark cases ran, {failures} failed, {clock.Elapsed.TotalSeconds:0.0} s");
        return failures == 0 && cases > 0 ? 0 : 1;
    }

    private static void Run(Type type, (PropertyInfo Member, object? Value)[] values, MethodInfo[] bodies)
    {
        var instance = Activator.CreateInstance(type);
        foreach (var (member, value) in values)
            member.SetValue(instance, value);
        Call(instance, With<GlobalSetupAttribute>(type));
        for (var i = 0; i < Calls; i++)
            Call(instance, bodies);
        Call(instance, With<GlobalCleanupAttribute>(type));
    }

    private static void Call(object? instance, MethodInfo[] methods)
    {
        foreach (var method in methods)
        {
            if (method.Invoke(instance, null) is Task task)
                task.GetAwaiter().GetResult();
        }
    }

    private static MethodInfo[] With<T>(Type type)
        where T : Attribute => [.. type.GetMethods().Where(m => m.GetCustomAttribute<T>() is not null)];

    private static List<(PropertyInfo Member, object?[] Values)> Parameters(Type type)
    {
        var found = new List<(PropertyInfo, object?[])>();
        foreach (var property in type.GetProperties())
        {
            if (property.GetCustomAttribute<ParamsAttribute>() is { } given)
            {
                found.Add((property, given.Values));
            }
            else if (property.GetCustomAttribute<ParamsSourceAttribute>() is { } source)
            {
                var values = (System.Collections.IEnumerable)type.GetProperty(source.Name)!.GetValue(null)!;
                found.Add((property, [.. values.Cast<object?>()]));
            }
        }
        return found;
    }

    private static IEnumerable<(
        PropertyInfo Member, object? Value)[]> Combinations(List<(PropertyInfo Member, object?[] Values)> parameters)
    {
        IEnumerable<(PropertyInfo, object?)[]> all = [[]];
        foreach (var (member, values) in parameters)
            all = all.SelectMany(before => values.Select(value => ((PropertyInfo, object?)[])[.. before, (member, value)]));
        return all;
    }
}
