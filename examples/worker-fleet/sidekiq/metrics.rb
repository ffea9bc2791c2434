# What yabeda-sidekiq exposes from the server process, in the shape Ruby's client writes: TYPE before
# HELP, families without samples, le="1". The gem itself is on RubyGems, not in Debian, so this stands
# in for it.
#
# The mistake `jid`: default tags for the job's id and for a tenant. A default tag is on every series,
# empty where nobody set it.

require "socket"
require "sidekiq/api"

module Metrics
  BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 1800, 3600, 21_600].freeze
  MISTAKE = ENV.fetch("MISTAKES", "").split(",").include?("jid")
  LOCK = Mutex.new

  class Counter
    def initialize = @values = Hash.new(0.0)
    def type = "counter"
    def add(labels, value = 1) = @values[labels] += value
    def set(labels, value) = @values[labels] = value.to_f
    def lines(name) = @values.map { |labels, value| "#{name}#{Metrics.braces(labels)} #{value}" }
  end

  class Gauge < Counter
    def type = "gauge"
  end

  class Histogram
    def initialize = @values = Hash.new { |all, labels| all[labels] = [Array.new(BUCKETS.size + 1, 0.0), 0.0] }
    def type = "histogram"

    def observe(labels, seconds)
      counts, = @values[labels]
      (BUCKETS.index { |le| seconds <= le } || BUCKETS.size).upto(BUCKETS.size) { |i| counts[i] += 1 }
      @values[labels][1] += seconds
    end

    def lines(name)
      @values.flat_map do |labels, (counts, sum)|
        buckets = [*BUCKETS, "+Inf"].zip(counts).map do |le, count|
          "#{name}_bucket#{Metrics.braces({ **labels, le: le })} #{count}"
        end
        [*buckets, "#{name}_sum#{Metrics.braces(labels)} #{sum}", "#{name}_count#{Metrics.braces(labels)} #{counts.last}"]
      end
    end
  end

  FAMILIES = {
    sidekiq_jobs_enqueued_total: [Counter.new, "A counter of the total number of jobs sidekiq enqueued."],
    sidekiq_jobs_rerouted_total: [Counter.new, "A counter of the total number of rerouted jobs sidekiq enqueued."],
    sidekiq_jobs_executed_total: [Counter.new, "A counter of the total number of jobs sidekiq executed."],
    sidekiq_jobs_success_total: [Counter.new, "A counter of the total number of jobs successfully processed by sidekiq."],
    sidekiq_jobs_failed_total: [Counter.new, "A counter of the total number of jobs failed in sidekiq."],
    sidekiq_job_latency_seconds: [Histogram.new, "The job latency, the difference in seconds between enqueued and running time"],
    sidekiq_job_runtime_seconds: [Histogram.new, "A histogram of the job execution time."],
    sidekiq_jobs_waiting_count: [Gauge.new, "The number of jobs waiting to process in sidekiq."],
    sidekiq_active_workers_count: [Gauge.new, "The number of currently running machines with sidekiq workers."],
    sidekiq_jobs_dead_count: [Gauge.new, "The number of jobs exceeded their retry count."],
    sidekiq_queue_latency: [Gauge.new, "The queue latency, the difference in seconds since the oldest job in the queue was enqueued"]
  }.freeze

  # Around each job.
  class Middleware
    def call(worker, job, queue)
      labels = { queue: queue, worker: worker.class.name }
      labels.merge!(tenant_id: "", jid: job["jid"]) if MISTAKE
      began = Process.clock_gettime(Process::CLOCK_MONOTONIC)
      latency = Time.now.to_f - job["enqueued_at"]
      yield
      Metrics.note(:success, labels, latency, began)
    rescue StandardError
      Metrics.note(:failed, labels, latency, began)
      raise
    end
  end

  module_function

  def note(outcome, labels, latency, began)
    took = (Process.clock_gettime(Process::CLOCK_MONOTONIC) - began).round(3)
    LOCK.synchronize do
      FAMILIES[:sidekiq_jobs_executed_total][0].add(labels)
      FAMILIES[:"sidekiq_jobs_#{outcome}_total"][0].add(labels)
      FAMILIES[:sidekiq_job_latency_seconds][0].observe(labels, latency)
      FAMILIES[:sidekiq_job_runtime_seconds][0].observe(labels, took)
    end
  end

  def braces(labels)
    labels.empty? ? "" : "{#{labels.map { |name, value| "#{name}=\"#{value}\"" }.join(",")}}"
  end

  def gauges
    tags = MISTAKE ? { tenant_id: "", jid: "" } : {}
    QUEUES.each_key do |name|
      queue = Sidekiq::Queue.new(name)
      FAMILIES[:sidekiq_jobs_waiting_count][0].set({ queue: name, **tags }, queue.size)
      FAMILIES[:sidekiq_queue_latency][0].set({ queue: name, **tags }, queue.latency)
    end
    FAMILIES[:sidekiq_active_workers_count][0].set(tags, Sidekiq::ProcessSet.new.size)
    FAMILIES[:sidekiq_jobs_dead_count][0].set(tags, Sidekiq::DeadSet.new.size)
  end

  def text
    LOCK.synchronize do
      gauges
      FAMILIES.flat_map do |name, (family, help)|
        ["# TYPE #{name} #{family.type}", "# HELP #{name} #{help}", *family.lines(name)]
      end.join("\n") << "\n"
    end
  end

  def serve
    server = TCPServer.new(ENV.fetch("ADDRESS", "127.0.0.1"), Integer(ENV.fetch("PORT", "9394")))
    Thread.new do
      loop { Thread.new(server.accept) { |client| answer(client) } }
    end
  end

  def answer(client)
    nil until client.gets.to_s.chomp.empty?
    body = text
    client.write("HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\n" \
                 "Content-Length: #{body.bytesize}\r\nConnection: close\r\n\r\n#{body}")
  ensure
    client.close
  end
end
